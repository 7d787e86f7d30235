// SPDX-License-Identifier: Apache-2.0
// A WHEP viewer who goes on at another server in the connection that he has: an
// offer with iceRestart is a new session's offer there, and that session's
// answer (other credentials, candidates, fingerprint) is the answer to it. Not
// what our player does; here to be measured against it.

function attribute(sdp, name) {
  return sdp.match(new RegExp(`^a=${name}:(.*)$`, 'm'))?.[1].trim();
}

class Handover {
  pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  session = null;
  notes = []; // [ms, what]

  constructor() {
    const media = new MediaStream();
    const video = document.getElementById('video');
    this.pc.addEventListener('track', ({ track }) => {
      media.addTrack(track);
      video.srcObject = media;
    });
    for (const name of ['connectionstatechange', 'iceconnectionstatechange'])
      this.pc.addEventListener(name, () => this.note(
        `${name.replace('statechange', '')} ${
          this.pc[name.replace('statechange', 'State')]}`));
  }

  note(what) {
    this.notes.push([performance.now(), what]);
  }

  async post(url, sdp) {
    const reply = await fetch(url, { method: 'POST', body: sdp,
      headers: { 'Content-Type': 'application/sdp' } });
    const text = await reply.text();
    if (reply.status !== 201)
      throw new Error(`${reply.status}: ${text}`);
    return { answer: text,
      session: new URL(reply.headers.get('Location'), reply.url).href };
  }

  async negotiate(url, options) {
    const offer = await this.pc.createOffer(options);
    this.note('offer');
    const { answer, session } = await this.post(url, offer.sdp);
    this.note('answer');
    await this.pc.setLocalDescription(offer);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer });
    this.note('set');
    this.answer = answer;
    const old = this.session;
    this.session = session;
    return old;
  }

  async start(url) {
    this.pc.addTransceiver('video', { direction: 'recvonly' });
    this.pc.addTransceiver('audio', { direction: 'recvonly' });
    await this.negotiate(url, {});
    const [receiver] = this.pc.getReceivers();
    receiver.transport.addEventListener('statechange', () =>
      this.note(`dtls ${receiver.transport.state}`));
    receiver.transport.addEventListener('error', ({ error }) =>
      this.note(`dtls error ${error.errorDetail} ${error.message}`));
  }

  // Returns what changed, and when what happened.
  async move(url) {
    const before = this.answer, at = performance.now();
    this.notes = [];
    const old = await this.negotiate(url, { iceRestart: true });
    await fetch(old, { method: 'DELETE' });
    const changed = ['ice-ufrag', 'fingerprint', 'setup', 'ssrc'].filter(
      name => attribute(before, name) !== attribute(this.answer, name));
    return { at, changed };
  }
}

window.startHandover = url => {
  window.handover = new Handover();
  return window.handover.start(url);
};
window.isReady = true;
