// SPDX-License-Identifier: Apache-2.0
// Page "/": what is live, asked for every two seconds.
// ids: #streams (the list; each li has data-name, data-live), #empty, #banner,
// #status, #token-form, #token, #whip-url, #copy
import {$, copy, formatBitrate, formatSince, formatTracks, make, readToken,
  saveToken} from './common.js';
import {getBlob, getJson} from './signaling.js';

const POLL_MS = 2000;
const SNAPSHOT_MS = 10000;
const MAX_FETCHED = 12;
const cards = new Map(); // name -> {item, image, …}
let token = readToken('watch');
let timer = 0;

function makeCard(name) {
  const image = make('img', {alt: '', hidden: true});
  const badge = make('span', {class: 'badge'});
  const about = make('div', {class: 'quiet small'});
  const state = make('div', {class: 'quiet small'});
  const link = make('a', {href: `/watch/${encodeURIComponent(name)}`},
    make('div', {class: 'shot'}, make('span', {class: 'small'}, 'No picture'),
      image, badge),
    make('div', {class: 'about'}, make('div', {class: 'name'}, name), state,
      about));
  const item = make('li', {class: 'card', 'data-name': name}, link);
  return {item, image, badge, about, state, shotAt: 0};
}

// Published at another node and not carried by this one: no numbers here.
function isElsewhere(stream) {
  return stream.live && !stream.since;
}

async function updateShot(card, stream) {
  const hasVideo = stream.tracks.some(track => track.kind === 'video');
  // a picture of a stream that is elsewhere makes this node carry it
  if (isElsewhere(stream) && cards.size > MAX_FETCHED)
    return;
  if (!stream.live || !hasVideo || Date.now() - card.shotAt < SNAPSHOT_MS)
    return;
  card.shotAt = Date.now();
  const blob = await getBlob(
    `/api/streams/${encodeURIComponent(stream.name)}/snapshot.jpg`, token)
    .catch(() => null);
  if (!blob) {
    card.shotAt -= SNAPSHOT_MS - POLL_MS; // soon again
    return;
  }
  const old = card.image.src;
  card.image.src = URL.createObjectURL(blob);
  card.image.hidden = false;
  if (old)
    URL.revokeObjectURL(old);
}

function updateCard(card, stream) {
  card.item.dataset.live = stream.live;
  card.badge.textContent = stream.live ? 'LIVE' : 'AWAY';
  card.badge.classList.toggle('live', stream.live);
  const viewers = `${stream.viewers} ` +
    (stream.viewers === 1 ? 'viewer' : 'viewers');
  if (!stream.live)
    card.state.textContent = `${viewers} · the publisher is away`;
  else if (isElsewhere(stream))
    card.state.textContent = `live at ${stream.origin}`;
  else
    card.state.textContent = `${viewers} · live for ${
      formatSince(stream.since)}`.replace('live for just now', 'just started');
  card.about.textContent = [formatTracks(stream.tracks),
    stream.live && stream.bitrate ? formatBitrate(stream.bitrate) : '']
    .filter(Boolean).join(' · ');
  updateShot(card, stream);
}

function show(streams) {
  const names = new Set(streams.map(stream => stream.name));
  for (const [name, card] of cards)
    if (!names.has(name)) {
      URL.revokeObjectURL(card.image.src);
      card.item.remove();
      cards.delete(name);
    }
  streams.forEach((stream, i) => {
    let card = cards.get(stream.name);
    if (!card) {
      card = makeCard(stream.name);
      cards.set(stream.name, card);
    }
    if ($('streams').children[i] !== card.item)
      $('streams').insertBefore(card.item, $('streams').children[i] || null);
    updateCard(card, stream);
  });
  const live = streams.filter(stream => stream.live).length;
  setStatus(streams.length ? `${live} live` : '');
  $('empty').hidden = streams.length > 0;
  $('banner').hidden = true;
  $('token-form').hidden = true;
}

function setStatus(text) {
  if ($('status').textContent !== text) // read aloud only when it changes
    $('status').textContent = text;
}

function showProblem(problem) {
  $('token-form').hidden = problem.status !== 401;
  if (problem.status === 401) {
    if (cards.size)
      show([]);
    $('banner').hidden = problem.code === 'token-missing';
    $('banner').textContent = problem.message;
    $('empty').hidden = true;
    $('token-form').hidden = false;
    setStatus('');
    return;
  }
  if ($('banner').hidden || $('banner').textContent !== problem.message)
    $('banner').textContent = problem.message;
  $('banner').hidden = false;
  setStatus(problem.status ? '' : 'Trying again…');
}

async function poll() {
  clearTimeout(timer);
  try {
    show(await getJson('/api/streams', token));
  } catch (problem) {
    showProblem(problem);
  }
  if (!document.hidden)
    timer = setTimeout(poll, POLL_MS);
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden)
    poll();
});
$('token-form').addEventListener('submit', event => {
  event.preventDefault();
  token = $('token').value.trim();
  saveToken('watch', token);
  poll();
});
$('whip-url').textContent = `${location.origin}/whip/live`;
$('copy').addEventListener('click', () =>
  copy($('whip-url').textContent, $('copy')));
poll();
