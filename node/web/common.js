// SPDX-License-Identifier: Apache-2.0
// What the pages share: elements, numbers in words, the token of this tab.

export const $ = id => document.getElementById(id);
export const query = new URLSearchParams(location.search);
const fragment = new URLSearchParams(location.hash.slice(1));

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes))
    if (key === 'class')
      element.className = value;
    else if (value === true)
      element.setAttribute(key, '');
    else if (value !== false && value != null)
      element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A token stays in this tab; in the address it stands behind #, which is not
// sent to any server.
export function readToken(surface) {
  const given = fragment.get('token') || query.get('access_token');
  if (given) {
    saveToken(surface, given);
    return given;
  }
  try {
    return sessionStorage.getItem(`token-${surface}`) || '';
  } catch {
    return '';
  }
}

export function saveToken(surface, token) {
  try {
    sessionStorage.setItem(`token-${surface}`, token);
  } catch { /* storage is off: it lasts as long as the page */ }
}

export function formatBitrate(bps) {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s`
    : `${Math.round(bps / 1e3)} kbit/s`;
}

export function formatSince(time) {
  const minutes = Math.floor((Date.now() - Date.parse(time)) / 60000);
  if (!(minutes >= 1))
    return 'just now';
  return minutes < 60 ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatTracks(tracks) {
  return (tracks || []).map(track => track.height
    ? `${track.codec} ${track.width}×${track.height}` : track.codec)
    .join(' · ');
}

// Rows of a statistics table: [[name, value], …]; null values are left out.
export function showRows(list, rows) {
  list.replaceChildren(...rows.filter(([, value]) => value != null)
    .flatMap(([name, value]) => [make('dt', {}, name),
      make('dd', {}, String(value))]));
}

export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl+C';
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}
