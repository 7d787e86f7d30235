// SPDX-License-Identifier: Apache-2.0
// npm's janus-gateway (janus.js) as its documentation and Janus's own
// streaming demo use it. What it says to the page is noted in `heard`, what it
// shows in `seen`, for the tests to read.
import adapter from 'webrtc-adapter';
import Janus from 'janus-gateway';
import { hasPicture, readNumber } from '../web/marker.js';

const PLUGIN = 'janus.plugin.streaming';
const MAX_SEEN = 5000;

class Viewer {
  constructor() {
    this.heard = [];
    this.seen = []; // [ms, number or null, pictures presented so far]
    this.offers = [];
    this.media = new MediaStream();
  }

  note(what, detail) {
    this.heard.push({ what, at: performance.now(), ...detail });
  }

  open(server, options) {
    return new Promise((success, error) => {
      this.janus = new Janus({
        server, ...options, success, error,
        destroyed: () => this.note('destroyed'),
      });
    });
  }

  attach(options) {
    return new Promise((resolve, reject) => {
      this.janus.attach({
        plugin: PLUGIN,
        ...options,
        success: (handle) => { this.handle = handle; resolve(handle.getId()); },
        error: (error) => reject(new Error(error)),
        iceState: (state) => this.note('ice', { state }),
        webrtcState: (on, reason) => this.note('webrtc', { on, reason }),
        slowLink: (uplink, lost, mid) => this.note('slowlink', { uplink, lost, mid }),
        onmessage: (message, jsep) => this.take(message, jsep),
        onremotetrack: (track, mid, on, metadata) => this.takeTrack(track, mid, on, metadata),
        oncleanup: () => this.note('cleanup'),
        ondetached: () => this.note('detached'),
      });
    });
  }

  // a request that is answered at once (list, info)
  ask(message) {
    return new Promise((success, error) => { this.handle.send({ message, success, error }); });
  }

  // a request whose result comes to onmessage
  send(message, jsep) {
    this.handle.send({
      message, jsep, error: (error) => this.note('error', { error: String(error) }),
    });
  }

  take(message, jsep) {
    this.note('message', { message, jsep: jsep ? jsep.type : null });
    if (!jsep) return;
    this.offers.push(jsep.sdp);
    const stereo = jsep.sdp.includes('stereo=1');
    this.handle.createAnswer({
      jsep,
      tracks: [{ type: 'data' }],
      customizeSdp: (answer) => {
        if (stereo && !answer.sdp.includes('stereo=1')) {
          answer.sdp = answer.sdp.replace('useinbandfec=1', 'useinbandfec=1;stereo=1');
        }
      },
      success: (answer) => this.send({ request: 'start' }, answer),
      error: (error) => this.note('error', { error: String(error) }),
    });
  }

  takeTrack(track, mid, on, metadata) {
    this.note('track', { kind: track.kind, mid, on, reason: metadata && metadata.reason });
    if (!on || this.media.getTracks().includes(track)) return;
    this.media.getTracks().filter((t) => t.kind === track.kind)
      .forEach((t) => this.media.removeTrack(t));
    this.media.addTrack(track);
    const video = document.getElementById('video');
    if (video.srcObject !== this.media) {
      video.srcObject = this.media;
      this.look(video);
    }
  }

  look(video) {
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const onFrame = (now, { presentationTime, presentedFrames, width }) => {
      // a busy page misses callbacks, but not the count
      if (hasPicture(video)) {
        this.seen.push([presentationTime, readNumber(video, canvas, context, width),
          presentedFrames]);
      }
      if (this.seen.length > MAX_SEEN) this.seen.shift();
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  connection() {
    return this.handle.webrtcStuff.pc;
  }

  hangup() {
    this.handle.hangup(true);
  }

  detach() {
    return new Promise((success, error) => { this.handle.detach({ success, error }); });
  }

  destroy() {
    return new Promise((success, error) => { this.janus.destroy({ success, error }); });
  }
}

window.newViewer = () => { window.viewer = new Viewer(); };
Janus.init({
  debug: ['error'],
  dependencies: Janus.useDefaultDependencies({ adapter }),
  callback: () => { window.isJanusReady = true; },
});
