// SPDX-License-Identifier: Apache-2.0
// A small WHIP/WHEP client that a test can look into: statistics, the number
// burnt into each picture (lib/media.py), ICE restart, counter-offers.
import { hasPicture, readNumber } from './marker.js';

const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';

function wallMs() {
  return performance.timeOrigin + performance.now();
}

function attribute(sdp, name) {
  const match = sdp.match(new RegExp(`^a=${name}:(.*)$`, 'm'));
  return match ? match[1].trim() : null;
}

// candidates of the answer through another port: a proxy stands in the way
function withPort(sdp, port) {
  return port
    ? sdp.replace(/^(a=candidate:\S+ \d+ udp \d+ \S+) \d+/gim, `$1 ${port}`)
    : sdp;
}

function withStereo(sdp) {
  return sdp.replace(/^(a=fmtp:\d+ minptime=\S+)$/gm, '$1;stereo=1');
}

class Peer {
  constructor(url, options) {
    this.url = url;
    this.options = options || {};
    this.pc = new RTCPeerConnection();
    this.startedMs = performance.now();
    this.events = [];
    this.seen = [];       // [wall ms, number or null, width]
    this.nBroken = 0;     // pictures whose number did not match its complement
    this.nPresented = 0;
    this.pc.addEventListener('connectionstatechange', () => {
      this.note(this.pc.connectionState);
    });
  }

  note(what) {
    this.events.push([what, performance.now() - this.startedMs]);
  }

  headers(type, more) {
    const headers = { 'Content-Type': type, ...(more || {}) };
    if (this.options.token) headers.Authorization = `Bearer ${this.options.token}`;
    return headers;
  }

  async fetch(url, method, body, headers) {
    const reply = await fetch(url, { method, body, headers });
    this.lastStatus = reply.status;
    return reply;
  }

  async negotiate() {
    const offer = await this.pc.createOffer();
    if (this.options.receive) offer.sdp = withStereo(offer.sdp);
    await this.pc.setLocalDescription(offer);
    const reply = await this.fetch(this.url, 'POST', this.pc.localDescription.sdp,
      this.headers(SDP));
    this.note('answered');
    const text = await reply.text();
    if (reply.status === 406 && reply.headers.get('Content-Type').startsWith(SDP)) {
      this.takeSession(reply);
      return this.takeCounterOffer(text);
    }
    if (reply.status !== 201) throw new Error(`${reply.status}: ${text}`);
    this.takeSession(reply);
    this.answer = text;
    await this.pc.setRemoteDescription(
      { type: 'answer', sdp: withPort(text, this.options.port) });
    return reply.status;
  }

  takeSession(reply) {
    this.session = new URL(reply.headers.get('Location'), reply.url).href;
    this.etag = reply.headers.get('ETag');
    this.links = reply.headers.get('Link');
  }

  async takeCounterOffer(sdp) {
    this.pc.close();
    this.pc = new RTCPeerConnection();
    this.listen();
    await this.pc.setRemoteDescription({ type: 'offer', sdp });
    await this.pc.setLocalDescription();
    const reply = await this.fetch(this.session, 'PATCH',
      this.pc.localDescription.sdp, this.headers(SDP));
    if (!reply.ok) throw new Error(`counter-offer: ${reply.status}`);
    return 406;
  }

  async publish() {
    const o = this.options;
    const constraints = { video: o.video !== false && {
      width: o.width || 640, height: o.height || 360, frameRate: o.fps || 30,
    }, audio: o.audio !== false };
    this.stream = await navigator.mediaDevices.getUserMedia(constraints);
    for (const track of this.stream.getTracks()) {
      const transceiver = this.pc.addTransceiver(track,
        { direction: 'sendonly', streams: [this.stream] });
      if (track.kind === 'video' && o.codec) this.prefer(transceiver, o);
    }
    return this.negotiate();
  }

  prefer(transceiver, { codec, profile }) {
    const all = RTCRtpSender.getCapabilities('video').codecs;
    const chosen = all.filter((c) => c.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`
      && (!profile || (c.sdpFmtpLine || '').includes(profile)));
    if (!chosen.length) throw new Error(`this browser has no ${codec}`);
    transceiver.setCodecPreferences(
      chosen.concat(all.filter((c) => c.mimeType === 'video/rtx')));
  }

  listen() {
    this.media = new MediaStream();
    this.streamIds = new Set();
    this.pc.ontrack = ({ track, streams }) => {
      streams.forEach((s) => this.streamIds.add(s.id));
      this.media.addTrack(track);
      const video = document.getElementById('video');
      if (video.srcObject !== this.media) video.srcObject = this.media;
      if (track.kind === 'video') this.look(video);
    };
  }

  async watch() {
    this.options.receive = true;
    this.listen();
    for (const kind of this.options.kinds || ['video', 'audio']) {
      const transceiver = this.pc.addTransceiver(kind, { direction: 'recvonly' });
      if (kind === 'video' && this.options.codec) this.preferReceiver(transceiver);
    }
    return this.negotiate();
  }

  preferReceiver(transceiver) {
    const all = RTCRtpReceiver.getCapabilities('video').codecs;
    const name = `video/${this.options.codec.toLowerCase()}`;
    transceiver.setCodecPreferences(all.filter(
      (c) => c.mimeType.toLowerCase() === name || c.mimeType === 'video/rtx'));
  }

  look(video) {
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const onFrame = (now, metadata) => {
      if (this.nPresented++ === 0) this.note('frame');
      if (this.options.read && hasPicture(video)) this.read(video, canvas, context, metadata);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  read(video, canvas, context, metadata) {
    const wall = wallMs();
    const number = readNumber(video, canvas, context, metadata.width);
    if (number === null) this.nBroken++;
    this.seen.push([wall, number, metadata.width]);
    if (this.seen.length > 5000) this.seen.shift();
  }

  async restartIce(ifMatch = '*') {
    const before = attribute(this.pc.localDescription.sdp, 'ice-ufrag');
    const answer = this.pc.remoteDescription;
    const offer = await this.pc.createOffer({ iceRestart: true });
    await this.pc.setLocalDescription(offer);
    const sdp = this.pc.localDescription.sdp;
    const ufrag = attribute(sdp, 'ice-ufrag');
    const fragment = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${attribute(sdp, 'ice-pwd')}\r\n`;
    const reply = await this.fetch(this.session, 'PATCH', fragment,
      this.headers(FRAGMENT, { 'If-Match': ifMatch }));
    const text = await reply.text();
    if (reply.status !== 200) {
      await this.pc.setLocalDescription({ type: 'rollback' });
      return { status: reply.status, before, ufrag };
    }
    this.etag = reply.headers.get('ETag');
    const remoteUfrag = attribute(text, 'ice-ufrag');
    const renewed = answer.sdp
      .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${remoteUfrag}`)
      .replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${attribute(text, 'ice-pwd')}`);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: renewed });
    return { status: 200, before, ufrag, remoteUfrag, etag: this.etag };
  }

  async close() {
    const status = this.session
      ? (await this.fetch(this.session, 'DELETE', undefined, this.headers(SDP))).status
      : 0;
    this.drop();
    return status;
  }

  drop() {
    this.pc.close();
    if (this.stream) this.stream.getTracks().forEach((t) => t.stop());
  }

  async stats() {
    const result = { state: this.pc.connectionState, events: this.events,
      presented: this.nPresented, broken: this.nBroken, audio: null, video: null,
      sent: null, sentAudio: null, candidate: null };
    const report = await this.pc.getStats();
    const codecs = {};
    report.forEach((s) => { if (s.type === 'codec') codecs[s.id] = s.mimeType; });
    report.forEach((s) => {
      const copy = { ...s, codec: codecs[s.codecId] };
      if (s.type === 'inbound-rtp') result[s.kind] = copy;
      if (s.type === 'outbound-rtp') result[s.kind === 'video' ? 'sent' : 'sentAudio'] = copy;
      if (s.type === 'candidate-pair' && s.nominated) result.pair = copy;
    });
    return result;
  }
}

// what the tests call: peers by name, one page may hold several
window.peers = {};
window.peer = async (name, action, url, options) => {
  const peer = new Peer(url, options);
  window.peers[name] = peer;
  return peer[action]();
};
window.isReady = true;
