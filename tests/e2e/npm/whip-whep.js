// SPDX-License-Identifier: Apache-2.0
// npm's whip-whep as its README uses it.
import { WHEPClient } from 'whip-whep/whep.js';
import { WHIPClient } from 'whip-whep/whip.js';

const clients = [];

async function medoozeWatch(url, token) {
  const pc = new RTCPeerConnection();
  pc.addTransceiver('audio');
  pc.addTransceiver('video');
  const media = new MediaStream();
  pc.ontrack = (event) => {
    media.addTrack(event.track);
    document.getElementById('video').srcObject = media;
  };
  const client = new WHEPClient();
  await client.view(pc, url, token);
  clients.push(client);
}

async function medoozePublish(url, token) {
  const stream = await navigator.mediaDevices.getUserMedia(
    { audio: true, video: { width: 640, height: 360, frameRate: 30 } });
  const pc = new RTCPeerConnection();
  for (const track of stream.getTracks()) pc.addTransceiver(track, { direction: 'sendonly' });
  const client = new WHIPClient();
  await client.publish(pc, url, token);
  clients.push(client);
}

window.players = {
  ...window.players,
  medoozeWatch,
  medoozePublish,
  medoozeStop: () => Promise.all(clients.splice(0).map((c) => c.stop())),
};
window.isMedoozeReady = true;
