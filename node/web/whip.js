// SPDX-License-Identifier: Apache-2.0
// WhipPublisher: sends a MediaStream to a WHIP endpoint, and comes back by
// itself when the network fails.
//
//   import {WhipPublisher} from 'https://your-node/whip.js';
//   const publisher = new WhipPublisher({url: 'https://your-node/whip/live',
//     stream: await navigator.mediaDevices.getUserMedia({video: true,
//                                                        audio: true})});
//   publisher.start();
//
// State is one of: idle, connecting, live, reconnecting, unauthorized, failed,
// stopped; publisher.text says it in words.
import {Backoff, Problem, Session, Watchdog, addStereo, getJson}
  from './signaling.js';

/** Video codecs this browser can send: ["H264", "VP8", …]. */
export function listCodecs() {
  const found = RTCRtpSender.getCapabilities?.('video')?.codecs || [];
  const names = found.map(codec => codec.mimeType.split('/')[1])
    .filter(name => !/^(rtx|red|ulpfec|flexfec-03)$/i.test(name));
  return [...new Set(names)];
}

// Baseline H264 in mode 1 first: what every viewer can play.
function orderCodecs(name) {
  const all = RTCRtpSender.getCapabilities('video').codecs;
  const chosen = all.filter(codec =>
    codec.mimeType.toLowerCase() === `video/${name}`.toLowerCase());
  const rank = codec => {
    const fmtp = codec.sdpFmtpLine || '';
    if (!/h264/i.test(codec.mimeType))
      return /profile(-id)?=0/.test(fmtp) ? 0 : 1;
    return (/packetization-mode=1/.test(fmtp) ? 0 : 10) +
      (/profile-level-id=42e0/i.test(fmtp) ? 0 : 1);
  };
  chosen.sort((a, b) => rank(a) - rank(b));
  return [...chosen, ...all.filter(codec => /\/rtx$/i.test(codec.mimeType))];
}

export class WhipPublisher extends EventTarget {
  state = 'idle';
  text = '';
  problem = null;
  #options;
  #pc = null;
  #session = null;
  #watchdog = null;
  #timer = 0;
  #abort = null;
  #backoff = new Backoff();
  #sample = null;

  /** codec: "H264", … or "" for the browser's choice; bitrate: bits/s of
      video, 0: the browser's choice. */
  constructor({url, stream, token = '', codec = '', bitrate = 0}) {
    super();
    this.#options = {url, stream, token, codec, bitrate};
    addEventListener('pagehide', () => {
      if (this.#session)
        this.stop();
    });
  }

  get connection() {
    return this.#pc;
  }

  start() {
    this.#drop();
    this.#backoff.reset();
    this.#connect();
  }

  stop() {
    this.#drop();
    this.#set('stopped', 'Stopped.');
  }

  #set(state, text, problem = null) {
    if (state === this.state && text === this.text)
      return;
    Object.assign(this, {state, text, problem});
    this.dispatchEvent(new Event('state'));
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#watchdog?.stop();
    this.#session?.close();
    this.#pc?.close();
    this.#abort = this.#watchdog = this.#session = this.#pc = null;
    this.#sample = null;
  }

  #addTracks(pc) {
    const {stream, codec, bitrate} = this.#options;
    for (const track of stream.getTracks()) {
      const init = {direction: 'sendonly', streams: [stream]};
      if (track.kind === 'video' && bitrate > 0)
        init.sendEncodings = [{maxBitrate: bitrate}];
      const transceiver = pc.addTransceiver(track, init);
      if (track.kind === 'video' && codec)
        transceiver.setCodecPreferences?.(orderCodecs(codec));
    }
  }

  async #connect() {
    const {url, token} = this.#options;
    this.#set(this.state === 'idle' || this.state === 'stopped' ? 'connecting'
      : 'reconnecting', 'Connecting…');
    const pc = this.#pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    const abort = this.#abort = new AbortController();
    try {
      this.#addTracks(pc);
      const offer = await pc.createOffer();
      const session = await Session.open(url, offer.sdp, token, abort.signal);
      if (this.#pc !== pc) {
        session.close();
        return;
      }
      this.#session = session;
      if (session.iceServers.length)
        pc.setConfiguration({bundlePolicy: 'max-bundle',
          iceServers: session.iceServers});
      await pc.setLocalDescription(offer);
      await pc.setRemoteDescription({type: 'answer',
        sdp: addStereo(session.answer)});
      if (this.#pc === pc)
        this.#watch(pc, session);
    } catch (error) {
      if (this.#pc === pc)
        this.#fail(error);
    }
  }

  #watch(pc, session) {
    this.#watchdog = new Watchdog(pc, session, {
      connected: () => {
        this.#backoff.reset();
        this.#set('live', 'You are live.');
      },
      disturbed: () => this.#set('reconnecting',
        'The connection is disturbed…'),
      lost: () => this.#again('The connection was lost. Connecting again…'),
      closed: () => this.#onClosed(),
    });
  }

  #again(text) {
    this.#drop();
    this.#set('reconnecting', text);
    this.#timer = setTimeout(() => this.#connect(), this.#backoff.nextMs());
  }

  // The server said goodbye: because somebody else publishes under this name
  // now (then two would take it from each other for ever), or because it ends
  // or restarts (then come back).
  #onClosed() {
    const {url, token} = this.#options;
    this.#session = null; // the server has forgotten it already
    this.#drop();
    this.#set('reconnecting', 'The server ended the connection…');
    this.#timer = setTimeout(async () => {
      const name = decodeURIComponent(url.split('/').pop());
      const root = new URL('/api/streams', new URL(url, location.href));
      try {
        const streams = await getJson(root.href, token);
        if (streams.some(each => each.name === name && each.live)) {
          this.#set('failed', 'Another publisher has taken this name over.');
          return;
        }
      } catch (error) {
        if (error.status > 0 && error.status < 500) {
          this.#set('failed', 'The server ended this broadcast.');
          return;
        }
      }
      this.#connect();
    }, 1000);
  }

  #fail(error) {
    this.#drop();
    if (!(error instanceof Problem)) {
      this.#set('failed', `This browser refused: ${error.message}`);
      return;
    }
    const {status, message, retryAfter} = error;
    if (status === 401)
      this.#set('unauthorized', message, error);
    else if (status >= 400 && status < 500 && status !== 429)
      this.#set('failed', message, error);
    else {
      this.#set('reconnecting', `${message} Trying again…`, error);
      this.#timer = setTimeout(() => this.#connect(),
        this.#backoff.nextMs(retryAfter));
    }
  }

  async #measure() {
    const found = {at: performance.now(), codecs: {}, remote: {}, rttMs: null};
    for (const entry of (await this.#pc.getStats()).values()) {
      if (entry.type === 'outbound-rtp')
        found[entry.kind] = entry;
      else if (entry.type === 'remote-inbound-rtp')
        found.remote[entry.kind] = entry;
      else if (entry.type === 'codec')
        found.codecs[entry.id] = entry.mimeType.split('/')[1];
      else if (entry.type === 'candidate-pair' && entry.nominated &&
          entry.currentRoundTripTime != null)
        found.rttMs = entry.currentRoundTripTime * 1000;
    }
    return found;
  }

  #track(now, before, kind) {
    const entry = now[kind], old = before?.[kind];
    if (!entry)
      return null;
    const seconds = old ? (now.at - before.at) / 1000 : 0;
    return {
      codec: now.codecs[entry.codecId] || null,
      bitrate: seconds > 0 ?
        (entry.bytesSent - old.bytesSent) * 8 / seconds : 0,
      bytesSent: entry.bytesSent, packetsSent: entry.packetsSent,
      retransmitted: entry.retransmittedPacketsSent || 0,
      packetsLost: now.remote[kind]?.packetsLost ?? 0,
      ...kind === 'video' ? {width: entry.frameWidth || 0,
        height: entry.frameHeight || 0, fps: entry.framesPerSecond || 0,
        framesEncoded: entry.framesEncoded || 0,
        keyFramesEncoded: entry.keyFramesEncoded || 0,
        limitedBy: entry.qualityLimitationReason || 'none'} : {},
    };
  }

  /** Numbers of now; bitrates since the last call. */
  async stats() {
    if (!this.#pc)
      return {state: this.state, connectionState: 'closed', video: null,
        audio: null, rttMs: null};
    const now = await this.#measure();
    const before = this.#sample;
    if (!before || now.at - before.at > 500)
      this.#sample = now;
    return {state: this.state,
      connectionState: this.#pc?.connectionState || 'closed',
      video: this.#track(now, before, 'video'),
      audio: this.#track(now, before, 'audio'), rttMs: now.rttMs};
  }
}
