// SPDX-License-Identifier: Apache-2.0
// Page "/publish". Query: name, source=camera|screen|test|none, audio=0,
// codec=H264|VP8|…, width, height, fps, bitrate (kbit/s), autostart=1; a test
// picture needs no device: /publish?source=test&name=x&autostart=1.
// Token: #token=… in the address, or typed in.
// ids: #name #source-* #camera #microphone #size #fps #bitrate #codec #token
// #start #stop #status #preview #numbers #share #copy #open #banner.
// For tests: window.mediaTree.publisher.stats(), null until started.
import {$, copy, formatBitrate, make, query, readToken, saveToken, showRows}
  from './common.js';
import {WhipPublisher, listCodecs} from './whip.js';

const fields = ['name', 'camera', 'microphone', 'size', 'fps', 'bitrate',
  'codec', 'token'];
let publisher = null;
let stream = null;
let endTest = null; // stops the test picture's clockwork
let statsTimer = 0;
window.mediaTree = {publisher: null};

// --- what is sent ------------------------------------------------------------

function readForm() {
  const [width, height] = $('size').value.split('x').map(Number);
  return {
    name: $('name').value.trim(),
    source: document.querySelector('[name=source]:checked').value,
    camera: $('camera').value,
    microphone: query.get('audio') === '0' ? 'none' : $('microphone').value,
    width: Number(query.get('width')) || width,
    height: Number(query.get('height')) || height,
    fps: Number($('fps').value),
    bitrate: Number($('bitrate').value) * 1000,
    codec: $('codec').value,
    token: $('token').value.trim(),
  };
}

function drawTest(context, width, height, n) {
  const colors = ['#c8c8c8', '#c8c800', '#00c8c8', '#00c800', '#c800c8',
    '#c80000', '#0000c8'];
  colors.forEach((color, i) => {
    context.fillStyle = color;
    context.fillRect(i * width / 7, 0, width / 7 + 1, height);
  });
  const size = height / 6;
  context.fillStyle = '#111';
  context.fillRect(0, height * .68, width, height * .32);
  context.fillStyle = '#fff';
  context.font = `600 ${height / 9}px monospace`;
  context.fillText(new Date().toISOString().slice(11, 23), width * .05,
    height * .82);
  context.fillText(`frame ${n}`, width * .05, height * .95);
  context.beginPath();
  context.arc((n * 7) % (width + size) - size / 2,
    height * .34 + Math.sin(n / 20) * height * .2, size / 2, 0, 2 * Math.PI);
  context.fill();
}

function makeTest({width, height, fps, microphone}) {
  const canvas = make('canvas', {width, height});
  const context = canvas.getContext('2d', {alpha: false});
  let n = 0;
  drawTest(context, width, height, n);
  const timer = setInterval(() => drawTest(context, width, height, ++n),
    1000 / fps);
  const found = canvas.captureStream(fps);
  let audio = null;
  if (microphone !== 'none') {
    audio = new AudioContext();
    audio.resume().catch(() => {}); // silent until the page is touched
    const tone = new OscillatorNode(audio, {frequency: 440});
    const gain = new GainNode(audio, {gain: .05});
    const out = audio.createMediaStreamDestination();
    tone.connect(gain).connect(out);
    tone.start();
    found.addTrack(out.stream.getAudioTracks()[0]);
  }
  endTest = () => {
    clearInterval(timer);
    audio?.close();
  };
  return found;
}

async function capture(form) {
  const picture = {width: {ideal: form.width}, height: {ideal: form.height},
    frameRate: {ideal: form.fps}};
  const sound = form.microphone === 'none' ? false : {
    ...form.microphone ? {deviceId: {exact: form.microphone}} : {},
    channelCount: {ideal: 2}};
  if (form.source === 'test')
    return makeTest(form);
  if (!navigator.mediaDevices)
    throw new Error('Browsers give camera and screen only to pages over ' +
      'https:// or on this machine. Serve this node with --tls-cert, or use ' +
      'the test picture.');
  if (form.source === 'screen') {
    const screen = await navigator.mediaDevices.getDisplayMedia(
      {video: picture, audio: sound !== false});
    screen.getVideoTracks()[0].contentHint = 'detail';
    if (sound && !screen.getAudioTracks().length) {
      const voice = await navigator.mediaDevices.getUserMedia({audio: sound});
      screen.addTrack(voice.getAudioTracks()[0]);
    }
    return screen;
  }
  if (form.source === 'camera')
    picture.deviceId = form.camera ? {exact: form.camera} : undefined;
  return navigator.mediaDevices.getUserMedia(
    {video: form.source === 'camera' ? picture : false, audio: sound});
}

const captureErrors = {
  NotAllowedError: 'The browser was not allowed to use it. Allow camera and ' +
    'microphone for this page, and start again.',
  NotFoundError: 'There is no such camera or microphone.',
  NotReadableError: 'Another program is using the camera or microphone.',
  OverconstrainedError: 'That device is not there any more.',
  TypeError: 'Choose a picture or a sound to send.',
};

// --- devices -----------------------------------------------------------------

async function listDevices() {
  const devices = await navigator.mediaDevices?.enumerateDevices()
    .catch(() => []) || [];
  for (const [kind, id] of [['videoinput', 'camera'],
    ['audioinput', 'microphone']]) {
    const select = $(id), chosen = select.value;
    for (const option of select.querySelectorAll('[data-device]'))
      option.remove();
    devices.filter(device => device.kind === kind && device.deviceId &&
      device.deviceId !== 'default').forEach((device, i) =>
      select.append(make('option', {value: device.deviceId,
        'data-device': true}, device.label || `${id} ${i + 1}`)));
    if ([...select.options].some(option => option.value === chosen))
      select.value = chosen;
  }
}

// --- start and stop ------------------------------------------------------------

function showState(state, text) {
  $('status').textContent = text;
  $('status').dataset.state = state;
  const isOn = ['connecting', 'live', 'reconnecting'].includes(state);
  $('start').disabled = isOn;
  $('stop').disabled = !isOn;
  for (const id of fields)
    $(id).disabled = isOn;
  $('sources').disabled = isOn;
  $('share-row').hidden = !isOn;
  $('numbers').hidden = !isOn;
  $('note').hidden = stream !== null;
}

function showBanner(text) {
  $('banner').textContent = text;
  $('banner').hidden = !text;
}

function release() {
  clearInterval(statsTimer);
  endTest?.();
  endTest = null;
  for (const track of stream?.getTracks() || [])
    track.stop();
  stream = null;
  $('preview').srcObject = null;
}

function onState() {
  const {state, text} = publisher;
  if (state === 'failed' || state === 'unauthorized' || state === 'stopped')
    release();
  showState(state, text);
  showBanner(state === 'failed' || state === 'unauthorized' ? text : '');
  if (state === 'unauthorized')
    $('token').focus();
}

async function showStats() {
  const {video: v, audio: a, rttMs} = await publisher.stats();
  showRows($('numbers'), [
    ['Video', v && v.codec && `${v.codec}, ${formatBitrate(v.bitrate)}`],
    ['Picture', v && v.width ? `${v.width}×${v.height}, ` +
      `${Math.round(v.fps)} fps` : null],
    ['Audio', a && a.codec && `${a.codec}, ${formatBitrate(a.bitrate)}`],
    ['Packets lost', (v?.packetsLost || 0) + (a?.packetsLost || 0)],
    ['Sent again', v && v.retransmitted],
    ['Round trip', rttMs === null ? null : `${Math.round(rttMs)} ms`],
    ['Limited by', v && v.limitedBy !== 'none' ? v.limitedBy : null],
  ]);
}

async function start() {
  const form = readForm();
  showBanner('');
  showState('connecting', 'Asking for the picture…');
  try {
    stream = await capture(form);
  } catch (error) {
    release();
    showState('failed', 'Not live.');
    showBanner(captureErrors[error.name] || error.message);
    return;
  }
  listDevices(); // their names are known once one is allowed
  saveToken('publish', form.token);
  $('preview').srcObject = stream;
  for (const track of stream.getTracks())
    track.addEventListener('ended', stop); // "Stop sharing" of the browser
  const path = encodeURIComponent(form.name);
  $('share').value = `${location.origin}/watch/${path}`;
  $('open').href = `/watch/${path}`;
  publisher = new WhipPublisher({url: `/whip/${path}`, stream,
    token: form.token, codec: form.codec, bitrate: form.bitrate});
  window.mediaTree.publisher = publisher;
  publisher.addEventListener('state', onState);
  publisher.start();
  statsTimer = setInterval(showStats, 1000);
}

function stop() {
  publisher?.stop();
}

// --- the page --------------------------------------------------------------------

function select(id, value) {
  const element = $(id);
  if (value === null)
    return;
  if (element.tagName === 'SELECT' &&
      ![...element.options].some(option => option.value === value))
    element.append(make('option', {value}, value));
  element.value = value;
}

function showSource() {
  const source = document.querySelector('[name=source]:checked').value;
  $('camera-field').hidden = source !== 'camera';
}

for (const name of listCodecs())
  $('codec').append(make('option', {value: name}, name));
for (const id of ['name', 'fps', 'bitrate', 'codec'])
  select(id, query.get(id));
if (query.has('width') && query.has('height'))
  select('size', `${query.get('width')}x${query.get('height')}`);
if (query.has('source'))
  document.getElementById(`source-${query.get('source')}`)?.click();
$('token').value = readToken('publish');
$('form').addEventListener('submit', event => {
  event.preventDefault();
  start();
});
$('stop').addEventListener('click', stop);
$('copy').addEventListener('click', () => copy($('share').value, $('copy')));
$('sources').addEventListener('change', showSource);
navigator.mediaDevices?.addEventListener('devicechange', listDevices);
// phones share no screen; without a safe context let the error explain
$('screen-choice').hidden = Boolean(navigator.mediaDevices) &&
  !navigator.mediaDevices.getDisplayMedia;
showSource();
listDevices();
if (query.get('autostart') === '1')
  start();
