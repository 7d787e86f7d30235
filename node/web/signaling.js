// SPDX-License-Identifier: Apache-2.0
// The HTTP half that WHIP and WHEP share: offer out, answer in, ICE restart
// by PATCH, DELETE; and errors as a person can read them.

/** An error reply of the server (RFC 9457), or no reply at all (status 0). */
export class Problem extends Error {
  constructor(status, code, detail, retryAfter) {
    super(detail);
    this.name = 'Problem';
    this.status = status;         // HTTP status, 0: not reached
    this.code = code;             // "token-missing", ...
    this.retryAfter = retryAfter; // seconds, or null
  }

  static async of(response) {
    let code = '', detail = '';
    try {
      const body = await response.json();
      code = String(body.type || '').split(':').pop();
      detail = body.detail || body.title || '';
    } catch { /* not one of ours */ }
    const seconds = Number.parseInt(response.headers.get('Retry-After'), 10);
    if (code === 'token-missing')
      detail = 'This needs a token.';
    return new Problem(response.status, code,
      detail || `The server answered ${response.status}.`,
      Number.isFinite(seconds) && seconds >= 0 ? seconds : null);
  }
}

async function send(url, options, token) {
  const headers = {...options.headers};
  if (token)
    headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(url, {cache: 'no-store', ...options, headers});
  } catch (error) {
    if (error.name === 'AbortError')
      throw error;
    throw new Problem(0, 'unreachable', 'The server cannot be reached.', null);
  }
}

/** JSON by GET; throws a Problem. */
export async function getJson(url, token) {
  const response = await send(url, {}, token);
  if (!response.ok)
    throw await Problem.of(response);
  return response.json();
}

/** Bytes by GET as a Blob, null when there are none. */
export async function getBlob(url, token) {
  const response = await send(url, {cache: 'default'}, token);
  return response.ok ? response.blob() : null;
}

/** Link headers with rel="ice-server" as RTCIceServer objects. */
export function parseIceServers(header) {
  const servers = [];
  const link = /<([^>]*)>((?:\s*;\s*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[^;,\s]*))*)/g;
  for (const [, url, rest] of (header || '').matchAll(link)) {
    const values = {};
    const pair = /([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,\s]*))/g;
    for (const [, key, quoted, bare] of rest.matchAll(pair))
      values[key.toLowerCase()] = (quoted ?? bare).replace(/\\(.)/g, '$1');
    if (values.rel !== 'ice-server' || !/^(stun|turn)s?:/.test(url))
      continue;
    const server = {urls: url};
    if (values.username)
      Object.assign(server, {username: values.username,
        credential: values.credential || ''});
    servers.push(server);
  }
  return servers;
}

const EVENTS_REL = 'urn:ietf:params:whep:ext:core:server-sent-events';

// Where the session's event streams are made, when it has events named @name.
function findEvents(response, name) {
  const link = new RegExp(`<([^>]*)>[^<]*rel="?${EVENTS_REL}"?[^<]*`);
  const [text, url] = (response.headers.get('Link') || '').match(link) || [];
  const names = text?.match(/events="([^"]*)"/)?.[1].split(',') || [];
  return names.includes(name) ? new URL(url, response.url).href : null;
}

/** One session resource of the server. */
export class Session {
  #token;
  #etag;
  #moves = null;  // where its events are made
  #isClosed = false;
  #events = null; // EventSource

  constructor(url, etag, token, answer, iceServers) {
    this.url = url;
    this.answer = answer;
    this.iceServers = iceServers;
    this.#etag = etag;
    this.#token = token;
  }

  /** POSTs an offer. Returns the Session; throws a Problem. */
  static async open(endpoint, offer, token, signal) {
    const response = await send(endpoint, {method: 'POST', body: offer,
      headers: {'Content-Type': 'application/sdp'}, signal}, token);
    if (response.status === 406 &&
        (response.headers.get('Content-Type') || '').includes('sdp'))
      throw await Session.#refuseCodecs(response, token);
    if (response.status !== 201)
      throw await Problem.of(response);
    const location = response.headers.get('Location');
    if (!location)
      throw new Problem(201, 'no-location', 'The server named no session.',
        null);
    const session = new Session(new URL(location, response.url).href,
      response.headers.get('ETag'), token, await response.text(),
      parseIceServers(response.headers.get('Link')));
    session.#moves = findEvents(response, 'reconnect');
    return session;
  }

  /** Calls @func with the address of another node when this one goes away. */
  async onMove(func) {
    const moves = this.#moves;
    if (!moves || this.#isClosed)
      return;
    this.#moves = null; // once
    try {
      const response = await send(moves, {method: 'POST',
        headers: {'Content-Type': 'application/json'}, body: '["reconnect"]'},
      this.#token);
      const location = response.headers.get('Location');
      if (response.status !== 201 || !location || this.#isClosed)
        return;
      this.#events = new EventSource(new URL(location, response.url).href);
      this.#events.addEventListener('reconnect', event => {
        const {url} = JSON.parse(event.data);
        if (/^https?:/.test(url))
          func(url);
      });
    } catch {
      // without events the connection ends one day, and a new one is made
    }
  }

  // The server's counter-offer has only codecs that this browser did not
  // offer: answering it would show nothing. Say which ones, and free it.
  static async #refuseCodecs(response, token) {
    const sdp = await response.text();
    const names = [...sdp.matchAll(/^a=rtpmap:\d+ ([\w-]+)\//gm)]
      .map(found => found[1]).filter(name => !/^(rtx|red|ulpfec)$/i.test(name));
    const location = response.headers.get('Location');
    if (location)
      new Session(new URL(location, response.url).href, null, token).close();
    return new Problem(406, 'codec-unsupported', 'This browser cannot play ' +
      `the stream's codecs (${[...new Set(names)].join(', ')}).`, null);
  }

  /** ICE restart: the local description has new credentials already.
      Returns the new remote SDP fragment. */
  async restartIce(fragment) {
    const response = await send(this.url, {method: 'PATCH', body: fragment,
      headers: {'Content-Type': 'application/trickle-ice-sdpfrag',
        'If-Match': '*'}}, this.#token);
    if (response.status !== 200)
      throw await Problem.of(response);
    this.#etag = response.headers.get('ETag') || this.#etag;
    return response.text();
  }

  /** Whether the server still knows this session. Throws when unreachable. */
  async isKnown() {
    const response = await send(this.url, {}, this.#token);
    return response.ok;
  }

  /** Ends it; works while the page is being left, too. */
  close() {
    this.#isClosed = true;
    this.#events?.close();
    return send(this.url, {method: 'DELETE', keepalive: true}, this.#token)
      .catch(() => {});
  }
}

function attribute(sdp, name) {
  return sdp.match(new RegExp(`^a=${name}:(.*)$`, 'm'))?.[1].trim();
}

/** The PATCH body that asks for an ICE restart with @sdp's credentials. */
export function makeRestartFragment(sdp) {
  const media = sdp.match(/^m=.*$/m)[0].trim();
  return [`a=ice-ufrag:${attribute(sdp, 'ice-ufrag')}`,
    `a=ice-pwd:${attribute(sdp, 'ice-pwd')}`, media,
    `a=mid:${attribute(sdp, 'mid')}`, ''].join('\r\n');
}

/** @answer with the credentials and candidates of @fragment. */
export function applyFragment(answer, fragment) {
  const fresh = fragment.split(/\r?\n/).filter(line => /^a=candidate:/.test(line));
  const ufrag = attribute(fragment, 'ice-ufrag');
  const pwd = attribute(fragment, 'ice-pwd');
  if (!ufrag || !pwd)
    throw new Problem(200, 'bad-fragment', 'The server sent no credentials.',
      null);
  const lines = answer.split(/\r?\n/)
    .filter(line => fresh.length === 0 || !/^a=candidate:/.test(line))
    .map(line => line.startsWith('a=ice-ufrag:') ? `a=ice-ufrag:${ufrag}`
      : line.startsWith('a=ice-pwd:') ? `a=ice-pwd:${pwd}` : line);
  const result = [];
  let sections = 0;
  for (const line of lines) {
    result.push(line);
    if (line.startsWith('m='))
      sections++;
    // candidates follow the first section's mid
    if (sections === 1 && line.startsWith('a=mid:'))
      result.push(...fresh);
  }
  return result.join('\r\n');
}

/** Opus in stereo: libwebrtc decodes (and encodes) mono unless told. */
export function addStereo(sdp) {
  const pts = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2/gim)]
    .map(found => found[1]);
  for (const pt of pts)
    sdp = sdp.replace(new RegExp(`^(a=fmtp:${pt} )(.*)$`, 'm'),
      (line, head, rest) => /(^|;)\s*stereo=1/.test(rest) ? line
        : `${head}${rest.trim()};stereo=1`);
  return sdp;
}

/** Waits between attempts: 0.5 s, doubled up to 15 s, a third of it random,
    so that thousands of clients do not come back in one moment. */
export class Backoff {
  #n = 0;

  reset() {
    this.#n = 0;
  }

  nextMs(retryAfterSeconds = null) {
    const base = retryAfterSeconds !== null ? retryAfterSeconds * 1000
      : Math.min(15000, 500 * 2 ** this.#n++);
    return Math.min(base, 60000) * (1 + Math.random() / 3) + 100;
  }
}

/** One connection's life in words: resolves nothing, calls back.
    "lost": failed, or could not be mended; "closed": the peer said goodbye. */
export class Watchdog {
  #pc;
  #session;
  #timer = 0;
  #on;

  constructor(pc, session, on) {
    this.#pc = pc;
    this.#session = session;
    this.#on = on; // {connected, disturbed, lost, closed}
    pc.addEventListener('connectionstatechange', () => this.#changed());
    const [end] = [...pc.getSenders(), ...pc.getReceivers()]
      .map(each => each.transport).filter(Boolean);
    end?.addEventListener('statechange', () => {
      if (end.state === 'closed' && pc.connectionState !== 'closed')
        this.#on.closed();
    });
    this.#timer = setTimeout(() => this.#on.lost(), 15000);
    this.#changed();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#on = {connected() {}, disturbed() {}, lost() {}, closed() {}};
  }

  #changed() {
    const state = this.#pc.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#on.connected();
    } else if (state === 'disconnected') {
      clearTimeout(this.#timer);
      this.#on.disturbed();
      this.#timer = setTimeout(() => this.#mend(), 3000);
    } else if (state === 'failed') {
      clearTimeout(this.#timer);
      this.#on.lost();
    }
  }

  async #mend() {
    const pc = this.#pc;
    this.#timer = setTimeout(() => this.#on.lost(), 5000);
    try {
      const answer = pc.remoteDescription.sdp;
      const offer = await pc.createOffer({iceRestart: true});
      const fragment = await this.#session.restartIce(
        makeRestartFragment(offer.sdp));
      await pc.setLocalDescription({type: 'offer', sdp: addStereo(offer.sdp)});
      await pc.setRemoteDescription({type: 'answer',
        sdp: applyFragment(answer, fragment)});
    } catch {
      clearTimeout(this.#timer);
      this.#on.lost();
    }
  }
}
