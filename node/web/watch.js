// SPDX-License-Identifier: Apache-2.0
// Page "/watch/{stream}". Query: embed=1 (only the video), stats=1 (numbers
// shown), muted=0 (try with sound), autostart=0 (wait for the play button).
// Token: #token=… in the address, or typed in.
// ids: #video #status #play #mute #unmute #volume #stats #numbers #fullscreen
// #share #token-form #token. For tests: window.mediaTree.player.stats().
import {$, copy, formatBitrate, query, readToken, saveToken, showRows}
  from './common.js';
import {WhepPlayer} from './whep.js';

const name = decodeURIComponent(location.pathname.split('/').pop());
const video = $('video'), stage = $('stage');
const player = new WhepPlayer({url: `/whep/${encodeURIComponent(name)}`, video,
  token: readToken('watch')});
window.mediaTree = {player};

document.title = `${name} – media-tree`;
$('title').textContent = name;
document.body.classList.toggle('embed', query.get('embed') === '1');
video.muted = query.get('muted') !== '0';

// --- state -----------------------------------------------------------------

// nothing goes on: the button says "Play" and tries again
const isIdle = () =>
  ['idle', 'stopped', 'failed', 'unauthorized'].includes(player.state);

function showState() {
  const {state, text} = player;
  $('status').textContent = text;
  $('status').dataset.state = state;
  $('note').textContent = text;
  $('note').hidden = state === 'playing' || state === 'idle';
  $('play').setAttribute('aria-label', isIdle() ? 'Play' : 'Stop');
  $('play-shape').setAttribute('d', isIdle() ? 'M7 4l13 8-13 8z'
    : 'M7 5v14M17 5v14');
  const needsToken = state === 'unauthorized';
  if (needsToken && $('token-form').hidden) {
    $('token-form').hidden = false;
    document.body.classList.remove('embed'); // there must be room to type
    $('token').focus();
  } else if (!needsToken)
    $('token-form').hidden = true;
  showSound();
}
player.addEventListener('state', showState);

$('token-form').addEventListener('submit', event => {
  event.preventDefault();
  player.token = $('token').value.trim();
  saveToken('watch', player.token);
  player.play();
});

// --- sound -----------------------------------------------------------------

function hasAudio() {
  return video.srcObject?.getAudioTracks().length > 0;
}

function showSound() {
  const isMuted = video.muted || video.volume === 0;
  $('mute').setAttribute('aria-pressed', isMuted);
  $('mute').setAttribute('aria-label', isMuted ? 'Unmute' : 'Mute');
  $('mute-shape').setAttribute('d', isMuted ? 'M17 9l5 6M22 9l-5 6'
    : 'M16.5 9a4 4 0 010 6M19 6.5a8 8 0 010 11');
  $('volume').value = video.muted ? 0 : video.volume;
  $('unmute').hidden = !isMuted || player.state !== 'playing' || !hasAudio();
}

function setMuted(muted) {
  video.muted = muted;
  if (!muted && video.volume === 0)
    video.volume = 1;
  video.play().catch(() => {});
}
video.addEventListener('volumechange', showSound);
$('mute').addEventListener('click', () => setMuted(!video.muted));
$('unmute').addEventListener('click', () => {
  setMuted(false);
  $('mute').focus();
});
$('volume').addEventListener('input', () => {
  video.volume = Number($('volume').value);
  video.muted = video.volume === 0;
});

// --- buttons and keys --------------------------------------------------------

function togglePlay() {
  if (isIdle())
    player.play();
  else
    player.stop();
}

function toggleFullscreen() {
  if (document.fullscreenElement)
    document.exitFullscreen();
  else if (stage.requestFullscreen)
    stage.requestFullscreen().catch(() => {});
  else
    video.webkitEnterFullscreen?.(); // iPhone
}
$('play').addEventListener('click', togglePlay);
$('fullscreen').addEventListener('click', toggleFullscreen);
$('share').addEventListener('click', () =>
  copy(location.origin + location.pathname, $('share')));
document.addEventListener('fullscreenchange', () =>
  $('fullscreen').setAttribute('aria-label', document.fullscreenElement
    ? 'Leave full screen' : 'Full screen'));
document.addEventListener('keydown', event => {
  if (event.target.closest('input, button, a') || event.ctrlKey ||
      event.metaKey || event.altKey)
    return;
  const action = {m: () => setMuted(!video.muted), f: toggleFullscreen,
    s: toggleStats, ' ': togglePlay, k: togglePlay}[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

// Controls fade while nobody moves; never while they have the focus.
let calmTimer = 0;
function wake() {
  stage.classList.remove('calm');
  clearTimeout(calmTimer);
  calmTimer = setTimeout(() =>
    stage.classList.toggle('calm', player.state === 'playing'), 3000);
}
for (const type of ['pointermove', 'pointerdown', 'keydown'])
  document.addEventListener(type, wake);
wake();

// --- statistics --------------------------------------------------------------

const ms = value => value === null || value === undefined ? null
  : `${Math.round(value)} ms`;

async function showStats() {
  const now = await player.stats();
  const {video: v, audio: a} = now;
  showRows($('numbers'), [
    ['Video', v && v.codec],
    ['Picture', v && v.width ? `${v.width}×${v.height}, ` +
      `${Math.round(v.fps)} fps` : null],
    ['Video bitrate', v && formatBitrate(v.bitrate)],
    ['Audio', a && a.codec && `${a.codec}, ${formatBitrate(a.bitrate)}`],
    ['Packets lost', (v || a) && `${(v?.packetsLost || 0) +
      (a?.packetsLost || 0)}`],
    ['Jitter', v && `${v.jitterMs.toFixed(1)} ms`],
    ['Round trip', ms(now.rttMs)],
    ['Freezes', v && v.freezeCount],
    ['Frames dropped', v && v.framesDropped],
    [now.delayIsMeasured ? 'Delay' : 'Delay (estimate)', ms(now.delayMs)],
    ['Connection', now.connectionState],
  ]);
}

let statsTimer = 0;
function toggleStats() {
  const on = $('numbers').hidden;
  $('numbers').hidden = !on;
  $('stats').setAttribute('aria-pressed', on);
  clearInterval(statsTimer);
  if (on) {
    showStats();
    statsTimer = setInterval(showStats, 1000);
  }
}
$('stats').addEventListener('click', toggleStats);
if (query.get('stats') === '1')
  toggleStats();

showState();
if (query.get('autostart') !== '0')
  player.play();
