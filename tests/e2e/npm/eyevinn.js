// SPDX-License-Identifier: Apache-2.0
// npm's @eyevinn/webrtc-player and @eyevinn/whip-web-client as their READMEs
// use them.
import { WebRTCPlayer } from '@eyevinn/webrtc-player';
import { WHIPClient } from '@eyevinn/whip-web-client';

let client;

async function eyevinnWatch(url) {
  const player = new WebRTCPlayer({
    video: document.getElementById('video'), type: 'whep',
  });
  await player.load(new URL(url));
  player.unmute();
  window.player = player;
}

async function eyevinnPublish(url, authkey) {
  const stream = await navigator.mediaDevices.getUserMedia(
    { audio: true, video: { width: 640, height: 360, frameRate: 30 } });
  client = new WHIPClient({ endpoint: url, opts: { authkey } });
  await client.setIceServersFromEndpoint();
  await client.ingest(stream);
}

window.players = {
  ...window.players,
  eyevinnWatch,
  eyevinnPublish,
  eyevinnStop: () => client.destroy(),
};
window.isEyevinnReady = true;
