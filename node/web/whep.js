// SPDX-License-Identifier: Apache-2.0
// WhepPlayer: plays a WHEP stream in a <video>, and comes back by itself.
//
//   import {WhepPlayer} from 'https://your-node/whep.js';
//   const player = new WhepPlayer({url: 'https://your-node/whep/live',
//                                  video: document.querySelector('video')});
//   player.addEventListener('state', () => console.log(player.state));
//   player.play();
//
// State is one of: idle, connecting, playing, waiting (the publisher is away,
// or the server asked for patience), reconnecting, unauthorized (set .token,
// then play() again), failed (nothing to try), stopped. player.text says it
// in words.
import {Backoff, Problem, Session, Watchdog, addStereo} from './signaling.js';

const STALLED_MS = 3000;
const MOVE_MS = 8000;
const MOVE_POLL_MS = 5;

// RTP timestamp of the newest frame (or sound) that came out of @pc.
function newestTimestamp(pc) {
  for (const kind of ['video', 'audio'])
    for (const receiver of pc.getReceivers()) {
      const [source] = receiver.track.kind === kind
        ? receiver.getSynchronizationSources() : [];
      if (source)
        return source.rtpTimestamp;
    }
  return null;
}

// Resolves when @next shows what @old shows, or a later frame: timestamps are
// the same on all nodes. False: it did not come so far.
async function catchUp(old, next, signal) {
  const end = performance.now() + MOVE_MS;
  while (performance.now() < end && !signal.aborted) {
    const there = newestTimestamp(next), here = newestTimestamp(old);
    if (there !== null && (here === null || ((there - here) | 0) >= 0))
      return true;
    await new Promise(done => setTimeout(done, MOVE_POLL_MS));
  }
  return false;
}

// What is ours in @url's query, as it was written: URLSearchParams would write a
// space in a pin as "+", which the server reads as a plus.
function ownQuery(url) {
  return url.search.slice(1).split('&').filter(
    part => part && !part.startsWith('redirect='));
}

export class WhepPlayer extends EventTarget {
  state = 'idle';
  text = '';
  problem = null;
  token;
  #url;
  #video;
  #pc = null;
  #session = null;
  #watchdog = null;
  #timer = 0;     // next attempt
  #ticker = 0;    // once a second
  #backoff = new Backoff();
  #abort = null;
  #media = null;
  #next = null;   // the connection that is to take over: {pc, abort}
  #sample = null; // of the last second, for rates
  #older = null;
  #lastMedia = 0; // when bytes last arrived
  #lastBytes = -1;

  constructor({url, video, token = ''}) {
    super();
    this.#url = url;
    this.#video = video;
    this.token = token;
    addEventListener('pagehide', () => this.#leave());
    addEventListener('pageshow', event => {
      if (event.persisted && this.state === 'stopped')
        this.play();
    });
  }

  /** The RTCPeerConnection in use, or null. */
  get connection() {
    return this.#pc;
  }

  play() {
    this.#drop();
    this.#backoff.reset();
    clearInterval(this.#ticker);
    this.#ticker = setInterval(() => this.#tick(), 1000);
    this.#connect();
  }

  stop() {
    clearInterval(this.#ticker);
    this.#drop();
    this.#video.srcObject = null;
    this.#set('stopped', 'Stopped.');
  }

  #leave() {
    if (this.state === 'idle' || this.state === 'failed')
      return;
    clearInterval(this.#ticker);
    this.#drop();
    this.#set('stopped', 'Stopped.');
  }

  #set(state, text, problem = null) {
    if (state === this.state && text === this.text)
      return;
    Object.assign(this, {state, text, problem});
    this.dispatchEvent(new Event('state'));
  }

  // Ends what there is; the last picture stays on the screen.
  #drop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#watchdog?.stop();
    this.#session?.close();
    this.#pc?.close();
    this.#abort = this.#watchdog = this.#session = this.#pc = null;
    this.#next?.abort.abort();
    this.#next?.pc.close();
    this.#next = null;
    this.#sample = this.#older = null;
  }

  async #connect() {
    if (this.state !== 'waiting')
      this.#set(this.state === 'idle' || this.state === 'stopped' ||
        this.state === 'unauthorized' ? 'connecting' : 'reconnecting',
      'Connecting…');
    const pc = this.#pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    const abort = this.#abort = new AbortController();
    const media = this.#media = new MediaStream();
    pc.addEventListener('track', event => {
      media.addTrack(event.track);
      if (this.#video.srcObject !== media)
        this.#video.srcObject = media;
      this.#video.play().catch(() => {}); // the user will press play
    });
    try {
      const session = await this.#open(this.#url, pc, abort.signal);
      if (this.#pc === pc) {
        this.#session = session;
        this.#watch(pc, session);
      } else
        session.close();
    } catch (error) {
      if (this.#pc === pc)
        this.#fail(error);
    }
  }

  // The descriptions of one connection. Returns its Session.
  async #open(url, pc, signal) {
    pc.addTransceiver('video', {direction: 'recvonly'});
    pc.addTransceiver('audio', {direction: 'recvonly'});
    const offer = await pc.createOffer();
    const sdp = addStereo(offer.sdp);
    const session = await Session.open(url, sdp, this.token, signal);
    try {
      // The servers come with the answer, so gathering starts only now.
      if (session.iceServers.length)
        pc.setConfiguration({bundlePolicy: 'max-bundle',
          iceServers: session.iceServers});
      await pc.setLocalDescription({type: 'offer', sdp});
      await pc.setRemoteDescription({type: 'answer', sdp: session.answer});
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  }

  // This node goes away, @url has a place: a second connection is made beside
  // the first and takes over once it is as far. When that fails, the first one
  // goes on, and the node asks again.
  async #move(url) {
    if (this.#next || !this.#pc)
      return;
    const old = this.#pc, oldSession = this.#session;
    const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    const abort = new AbortController();
    this.#next = {pc, abort};
    const there = new URL(url);
    there.search = [there.search.slice(1),
      ...ownQuery(new URL(this.#url, location))].join('&');
    let session = null;
    try {
      session = await this.#open(there.href, pc, abort.signal);
      if (!await catchUp(old, pc, abort.signal) || this.#pc !== old)
        throw new Error('not taken over');
    } catch {
      session?.close();
      pc.close();
      if (this.#next?.pc === pc)
        this.#next = null;
      return;
    }
    this.#next = null;
    for (const track of this.#media.getTracks())
      this.#media.removeTrack(track);
    for (const receiver of pc.getReceivers())
      this.#media.addTrack(receiver.track);
    this.#video.play().catch(() => {});
    this.#watchdog?.stop();
    this.#pc = pc;
    this.#session = session;
    this.#sample = this.#older = null;
    there.search = ownQuery(there).join('&');
    this.#url = there.href;
    this.#watch(pc, session);
    oldSession?.close();
    old.close();
    this.dispatchEvent(new Event('moved'));
  }

  #watch(pc, session) {
    this.#lastMedia = performance.now();
    this.#lastBytes = -1;
    this.#watchdog = new Watchdog(pc, session, {
      connected: () => {
        this.#backoff.reset();
        this.#set('playing', 'Playing.');
        session.onMove(url => this.#move(url));
      },
      disturbed: () => this.#set('reconnecting',
        'The connection is disturbed…'),
      lost: () => this.#again('The connection was lost. Connecting again…'),
      closed: () => {
        this.#session = null; // the server has forgotten it already
        this.#again('The server ended the connection. Connecting again…');
      },
    });
  }

  #again(text) {
    this.#drop();
    this.#set('reconnecting', text);
    this.#timer = setTimeout(() => this.#connect(), this.#backoff.nextMs());
  }

  #fail(error) {
    this.#drop();
    if (!(error instanceof Problem)) {
      this.#set('failed', `This browser refused: ${error.message}`);
      return;
    }
    const {status, message, retryAfter} = error;
    if (status === 401) {
      this.#set('unauthorized', message, error);
      return;
    }
    if (status === 400 || status === 405 || status === 415) {
      this.#set('failed', message, error);
      return;
    }
    const waits = status === 409 || status === 503 || status === 404;
    const text = status === 409 || status === 404
      ? 'The stream is not live yet. It will start here by itself.' : message;
    this.#set(waits ? 'waiting' : 'reconnecting', text, error);
    // Refusals that a person has to mend are asked again seldom.
    const patience = status === 403 || status === 406 ? 15
      : status === 404 ? 3 : retryAfter;
    this.#timer = setTimeout(() => this.#connect(),
      this.#backoff.nextMs(patience));
  }

  async #tick() {
    if (!this.#pc || this.#pc.connectionState !== 'connected')
      return;
    const sample = await this.#measure();
    if (!sample)
      return;
    this.#older = this.#sample;
    this.#sample = sample;
    const now = performance.now();
    if (sample.bytes !== this.#lastBytes) {
      this.#lastBytes = sample.bytes;
      this.#lastMedia = now;
      if (this.state === 'waiting')
        this.#set('playing', 'Playing.');
    } else if (now - this.#lastMedia > STALLED_MS && this.state === 'playing')
      this.#set('waiting', 'The publisher is away. The picture returns with ' +
        'it.');
  }

  async #measure() {
    const pc = this.#pc;
    if (!pc)
      return null;
    const report = await pc.getStats();
    const found = {at: performance.now(), bytes: 0, video: null, audio: null,
      rttMs: null, codecs: {}};
    for (const entry of report.values()) {
      if (entry.type === 'inbound-rtp') {
        found[entry.kind] = entry;
        found.bytes += entry.bytesReceived || 0;
      } else if (entry.type === 'codec')
        found.codecs[entry.id] = entry.mimeType.split('/')[1];
      else if (entry.type === 'candidate-pair' && entry.nominated &&
          entry.state === 'succeeded' && entry.currentRoundTripTime != null)
        found.rttMs = entry.currentRoundTripTime * 1000;
    }
    return found;
  }

  #track(now, before, kind) {
    const entry = now[kind], old = before?.[kind];
    if (!entry)
      return null;
    const seconds = old ? (now.at - before.at) / 1000 : 0;
    const emitted = entry.jitterBufferEmittedCount -
      (old?.jitterBufferEmittedCount || 0);
    const track = {
      codec: now.codecs[entry.codecId] || null,
      bitrate: seconds > 0 ?
        (entry.bytesReceived - old.bytesReceived) * 8 / seconds : 0,
      bytesReceived: entry.bytesReceived,
      packetsReceived: entry.packetsReceived,
      packetsLost: entry.packetsLost,
      jitterMs: (entry.jitter || 0) * 1000,
      bufferMs: emitted > 0 ? (entry.jitterBufferDelay -
        (old?.jitterBufferDelay || 0)) / emitted * 1000 : null,
      nackCount: entry.nackCount || 0,
      pliCount: entry.pliCount || 0,
    };
    if (kind === 'video')
      Object.assign(track, {width: entry.frameWidth || 0,
        height: entry.frameHeight || 0, fps: entry.framesPerSecond || 0,
        framesDecoded: entry.framesDecoded || 0,
        framesDropped: entry.framesDropped || 0,
        keyFramesDecoded: entry.keyFramesDecoded || 0,
        freezeCount: entry.freezeCount || 0,
        freezeSeconds: entry.totalFreezesDuration || 0});
    return track;
  }

  // Exact when the publisher's capture time came along and its clock is set.
  #captureDelayMs() {
    for (const receiver of this.#pc?.getReceivers() || []) {
      const [source] = receiver.track.kind === 'video'
        ? receiver.getSynchronizationSources() : [];
      if (source?.captureTimestamp === undefined)
        continue;
      const delay = Date.now() + 2208988800000 - source.captureTimestamp -
        (source.senderCaptureTimeOffset || 0);
      if (delay >= 0 && delay < 60000)
        return delay;
    }
    return null;
  }

  /** Numbers of now; bitrates over the last second or two. */
  async stats() {
    const now = await this.#measure();
    const before = this.#sample && now &&
      now.at - this.#sample.at > 500 ? this.#sample : this.#older;
    const video = now && this.#track(now, before, 'video');
    const audio = now && this.#track(now, before, 'audio');
    const buffer = video?.bufferMs ?? audio?.bufferMs ?? null;
    const captured = this.#captureDelayMs();
    return {
      state: this.state,
      connectionState: this.#pc?.connectionState || 'closed',
      video, audio,
      rttMs: now?.rttMs ?? null,
      delayMs: captured ?? (buffer === null ? null
        : buffer + (now.rttMs || 0) / 2),
      delayIsMeasured: captured !== null,
    };
  }
}
