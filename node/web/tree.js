// SPDX-License-Identifier: Apache-2.0
// Page "/tree": the cluster drawn, asked for every second.
// ids: #tree (its svg has g.box[data-id] and g.link[data-child][data-parent]),
// #streams (a button each), #details, #table, #rows, #note, #banner, #status,
// #token-form, #token. For tests: window.mediaTree.tree, the last answer.
import {$, formatBitrate, formatSince, make, readToken, saveToken}
  from './common.js';
import {Problem} from './signaling.js';
import {judge, layOut, onlyStream, roleOf} from './tree-layout.js';

const POLL_MS = 1000;
const GHOST_MS = 10000; // so long a node that vanished is still shown
const SVG = 'http://www.w3.org/2000/svg';
let token = readToken('admin');
let timer = 0, etag = '', tree = null;
let streamName = '', picked = '';
const expanded = new Set();
const seen = new Map();  // id -> {node, at}
const drawn = new Map(); // key -> element

// --- words -------------------------------------------------------------------

const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
const percent = ratio => `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`;
const stateOf = node => node.gone ? 'gone' : !node.alive ? 'dead'
  : node.draining ? 'draining' : node.warm ? 'warm' : 'alive';
const inSubtree = node => node.subtree === null ? '' : `subtree ${node.subtree}`;
const rolesOf = ({roles}) => roles.length > 2 ? 'all roles' : roles.join(' + ');
const slots = (n, max) => max ? `${n}/${max}` : `${n}`;
const short = (text, n_chars) => text.length <= n_chars ? text
  : `${text.slice(0, Math.ceil(n_chars / 2) - 1)}…` +
    text.slice(text.length - Math.floor(n_chars / 2));

function sum(nodes, name) {
  return nodes.reduce((all, node) => all + node[name], 0);
}

function describeLink(link) {
  const facts = [plural(link.streams, 'stream')];
  if (link.silent)
    facts.push('silent');
  if (link.streams) {
    facts.push(`loss ${percent(link.loss_ratio)}`,
      `RTT ${(link.rtt_us / 1000).toFixed(1)} ms`,
      `jitter ${(link.jitter_us / 1000).toFixed(1)} ms`,
      `first with ${percent(link.first_ratio)}`);
  }
  return `${link.parent} → ${link.child} (${link.kind}): ${facts.join(', ')}`;
}

function describeLine(line) {
  if (line.links.length === 1)
    return describeLink(line.links[0]);
  const lossy = line.grades.filter(grade => grade !== 'ok').length;
  const most = Math.max(...line.links.map(link => link.loss_ratio));
  return `${line.from.nodes[0].id} → ${plural(line.links.length, 'node')} ` +
    `(${line.kind}), ${lossy} lossy, at most ${percent(most)}`;
}

// "2 dead, 1 warm"; nothing of those who are as they should be.
function describeStates(nodes) {
  return ['dead', 'draining', 'warm', 'gone'].map(state => {
    const n = nodes.filter(node => stateOf(node) === state).length;
    return n ? `${n} ${state}` : '';
  }).filter(Boolean);
}

// What of a node's numbers matters most.
function countOf(node) {
  if (node.max_viewers || node.viewers)
    return [slots(node.viewers, node.max_viewers), 'viewers'];
  if (node.max_publishers || node.publishers)
    return [`${node.publishers}`,
      node.publishers === 1 ? 'publisher' : 'publishers'];
  return [`${node.children}`, node.children === 1 ? 'child' : 'children'];
}

// What scaling has made: a subtree serves, or is warm, or drains, as a whole.
function describeSubtrees(nodes) {
  const serving = new Set(nodes.filter(node => node.subtree !== null &&
    roleOf(node) === 'egress' && stateOf(node) === 'alive')
    .map(node => node.subtree));
  return serving.size ? `${plural(serving.size, 'subtree')} serving` : '';
}

function boxTexts(box) {
  const {nodes} = box, state = stateOf(nodes[0]);
  const isNarrow = box.width < 150;
  const cpu = percent(sum(nodes, 'cpu_ratio') / nodes.length);
  const load = `CPU ${cpu} · ${formatBitrate(sum(nodes, 'tx_bps'))}`;
  const viewers = slots(sum(nodes, 'viewers'), sum(nodes, 'max_viewers'));
  if (box.isGroup) {
    const remarks = [box.n_lossy ? `${box.n_lossy} lossy` : '',
      ...describeStates(nodes)].filter(Boolean).join(', ');
    return [`${nodes.length} egress`, remarks || `${viewers} viewers`,
      isNarrow ? cpu : load];
  }
  const [count, things] = countOf(nodes[0]);
  if (isNarrow)
    return [nodes[0].id, state === 'alive' ? rolesOf(nodes[0]) : state,
      nodes[0].max_viewers ? count : `CPU ${cpu}`];
  if (state === 'draining' && nodes[0].viewers) // who is still there?
    return [nodes[0].id, `${state} · ${nodes[0].viewers} left`, load];
  return [nodes[0].id, `${rolesOf(nodes[0])} · ` +
    (state === 'alive' ? `${count} ${things}` : state), load];
}

function boxLabel(box) {
  if (box.isGroup)
    return `${plural(box.nodes.length, 'egress node')} of ${box.parent}, ` +
      `${box.n_lossy} lossy, ${sum(box.nodes, 'viewers')} viewers`;
  const node = box.nodes[0];
  return [node.id, node.roles.join(' and '), stateOf(node), inSubtree(node),
    node.max_viewers ? `${node.viewers} of ${node.max_viewers} viewers` : '',
    node.parent ? `parent ${node.parent}` : '',
    node.backup ? `backup ${node.backup}` : '',
    box.grade === 'ok' ? '' : `link ${box.grade}`].filter(Boolean).join(', ');
}

// --- drawing -----------------------------------------------------------------

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  element.append(...children);
  return element;
}

// Only what has changed is touched, so that nothing flickers or loses focus.
function set(element, attributes) {
  for (const [key, value] of Object.entries(attributes))
    if (element.getAttribute(key) !== String(value))
      element.setAttribute(key, value);
}

function setText(element, text) {
  if (element.textContent !== text)
    element.textContent = text;
}

const svg = makeSvg('svg', {role: 'group', 'aria-label': 'Tree'});
const lineLayer = makeSvg('g'), boxLayer = makeSvg('g');
svg.append(lineLayer, boxLayer);

function makeBox(box) {
  const element = makeSvg('g', {role: 'button', tabindex: 0},
    ...box.isGroup ? [makeSvg('rect', {class: 'stack', x: 4, y: 4, rx: 8})] : [],
    makeSvg('rect', {class: 'body', rx: 8}),
    makeSvg('rect', {class: 'role', width: 5, y: 8, rx: 2}),
    makeSvg('text', {class: 'name', x: 14, y: 20}),
    makeSvg('text', {class: 'state', x: 14, y: 37}),
    makeSvg('text', {class: 'load', x: 14, y: 53}),
    makeSvg('text', {class: 'subtree', y: 20}), makeSvg('title'));
  element.addEventListener('click', () => pick(box.key));
  element.addEventListener('keydown', event => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      pick(box.key);
    }
  });
  return element;
}

function drawBox(element, box) {
  const inner = box.isGroup ? 4 : 0; // the stack peeps out
  const n_chars = Math.floor((box.width - 22) / 6.6);
  const texts = boxTexts(box);
  const subtree = box.isGroup ? null : box.nodes[0].subtree;
  set(element, {transform: `translate(${box.x} ${box.y})`,
    class: `box ${box.role} ${box.grade} ` +
      `${box.isGroup ? 'group' : stateOf(box.nodes[0])}`,
    'data-id': box.isGroup ? box.key : box.nodes[0].id,
    'aria-pressed': picked === box.key, 'aria-label': boxLabel(box)});
  for (const rect of element.querySelectorAll('rect:not(.role)'))
    set(rect, {width: box.width - inner, height: box.height - inner});
  set(element.querySelector('.role'), {height: box.height - inner - 16});
  ['name', 'state', 'load'].forEach((name, i) =>
    setText(element.querySelector(`.${name}`), short(texts[i],
      i === 0 ? Math.floor(n_chars * (subtree === null ? 0.86 : 0.74))
        : n_chars)));
  set(element.querySelector('.subtree'), {x: box.width - 9});
  // where the name leaves room
  setText(element.querySelector('.subtree'), subtree === null ||
    box.width < 150 ? '' : `#${subtree}`);
  setText(element.querySelector('title'), boxLabel(box));
}

function makeLine() {
  return makeSvg('g', {}, makeSvg('path'), makeSvg('path', {class: 'hit'}),
    makeSvg('title'));
}

function drawLine(element, line) {
  const isPicked = picked === line.to.key || picked === line.from.key;
  set(element, {class: ['link', line.kind, line.grade, line.isFed ? 'fed' : '',
    line.to.isGroup ? 'group' : '', isPicked ? 'picked' : '']
    .filter(Boolean).join(' '),
  'data-child': line.to.key, 'data-parent': line.from.key});
  for (const path of element.querySelectorAll('path'))
    set(path, {d: line.path});
  setText(element.querySelector('title'), describeLine(line));
}

// The elements of @things in @layer, by key; those of others go.
function update(layer, prefix, things, makeOne, drawOne) {
  const keys = new Set();
  for (const thing of things) {
    const key = prefix + thing.key;
    keys.add(key);
    let element = drawn.get(key);
    if (!element) {
      element = makeOne(thing);
      drawn.set(key, element);
      layer.append(element);
    }
    drawOne(element, thing);
  }
  for (const [key, element] of drawn)
    if (key.startsWith(prefix) && !keys.has(key)) {
      element.remove();
      drawn.delete(key);
    }
}

// --- under the tree ----------------------------------------------------------

function cell(tag, text, className) {
  return make(tag, className ? {class: className} : {}, text);
}

function makeTable(columns, rows) {
  const classOf = i => columns[i].startsWith('#') ? 'number' : '';
  return make('table', {},
    make('thead', {}, make('tr', {}, ...columns.map((name, i) =>
      cell('th', name.replace('#', ''), classOf(i))))),
    make('tbody', {}, ...rows.map(row => make('tr', {}, ...row.map((value, i) =>
      Array.isArray(value) ? cell('td', value[0], `number ${value[1]}`)
        : cell('td', value, classOf(i)))))));
}

function lossCell(link) {
  if (!link || !link.streams)
    return '–';
  const grade = judge(link);
  return [grade === 'silent' ? 'silent' : percent(link.loss_ratio), grade];
}

function nodeRow(shown, node) {
  const parent = shown.links.find(link => link.child === node.id &&
    link.kind === 'parent');
  return [node.id, node.roles.join(', '), stateOf(node),
    slots(node.viewers, node.max_viewers), percent(node.cpu_ratio),
    formatBitrate(node.tx_bps), node.parent || '–', lossCell(parent),
    node.backup || '–'];
}

const NODE_COLUMNS = ['Node', 'Roles', 'State', '#Viewers', '#CPU', '#Out',
  'Parent', '#Loss', 'Backup'];

function linkTable(shown, id) {
  const links = shown.links.filter(link => link.child === id);
  return links.length ? [makeTable(
    ['From', 'As', '#Streams', '#Loss', '#RTT', '#Jitter', '#First'],
    links.map(link => [link.parent, link.kind, String(link.streams),
      lossCell(link), `${(link.rtt_us / 1000).toFixed(1)} ms`,
      `${(link.jitter_us / 1000).toFixed(1)} ms`,
      percent(link.first_ratio)]))] : [];
}

function nodeFacts(node) {
  const url = node.url && /^https?:/.test(node.url)
    ? make('a', {href: node.url, rel: 'noreferrer'}, node.url) : null;
  return [['State', stateOf(node)], ['Roles', node.roles.join(', ')],
    ['Subtree', node.subtree === null ? null : `${node.subtree}`],
    ['Host', node.host], ['Address', url],
    ['Running', node.started && formatSince(node.started)],
    ['Streams', String(node.streams)],
    ['Publishers', node.max_publishers
      ? slots(node.publishers, node.max_publishers) : null],
    ['Viewers', node.max_viewers
      ? slots(node.viewers, node.max_viewers) : null],
    ['Load', `CPU ${percent(node.cpu_ratio)}, out ` +
      `${formatBitrate(node.tx_bps)}, in ${formatBitrate(node.rx_bps)}, ` +
      `${Math.round(node.rss_bytes / 1e6)} MB`],
    ['Ports', node.max_ports ? slots(node.ports, node.max_ports) : null]]
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]);
}

function makeButton(text, onClick) {
  const button = make('button', {type: 'button'}, text);
  button.addEventListener('click', onClick);
  return button;
}

function showDetails(shown, box) {
  const hadFocus = $('details').contains(document.activeElement);
  $('details').hidden = !box;
  if (!box || hadFocus) // nobody's button is taken away under the finger
    return;
  const close = makeButton('Close', () => pick(picked));
  if (box.isGroup)
    $('details').replaceChildren(make('div', {class: 'row'},
      make('h2', {}, `${box.nodes.length} egress nodes of ${box.parent}`),
      makeButton('Draw each', () => toggle(box.parent)), close),
    make('div', {class: 'scroll'}, makeTable(NODE_COLUMNS,
      box.nodes.map(node => nodeRow(shown, node)))));
  else {
    const node = box.nodes[0];
    $('details').replaceChildren(make('div', {class: 'row'},
      make('h2', {}, node.id),
      ...expanded.has(node.id) ? [makeButton('Draw its egress nodes as one',
        () => toggle(node.id))] : [], close),
    make('dl', {}, ...nodeFacts(node)),
    make('div', {class: 'scroll'}, ...linkTable(shown, node.id)));
  }
}

function showStreams() {
  const names = tree.streams.map(stream => stream.name);
  if (!names.includes(streamName))
    streamName = '';
  const labels = ['', ...names].map(name => name
    ? `${name} · ${tree.streams.find(one => one.name === name).codecs
      .join(', ')}`.replace(/ · $/, '') : 'All streams');
  $('streams').hidden = !names.length;
  if ($('streams').dataset.labels !== labels.join('\n')) {
    $('streams').dataset.labels = labels.join('\n');
    $('streams').replaceChildren(...['', ...names].map((name, i) => {
      const button = makeButton(labels[i], () => {
        streamName = streamName === name ? '' : name;
        show();
      });
      button.dataset.name = name;
      return button;
    }));
  }
  for (const button of $('streams').children)
    button.setAttribute('aria-pressed', button.dataset.name === streamName);
}

function showWords(shown, layout) {
  // a candidate is asked for a moment, and need not answer
  const lossy = layout.lines.filter(line => line.kind !== 'candidate')
    .flatMap(line => line.grades).filter(grade => grade !== 'ok').length;
  const away = shown.nodes.filter(node => !node.alive).length;
  setText($('status'), [plural(shown.nodes.length - away, 'node'),
    ...describeStates(shown.nodes.filter(node => !node.gone)),
    describeSubtrees(shown.nodes), plural(tree.streams.length, 'stream'),
    lossy ? `${plural(lossy, 'link')} lossy or silent` : '']
    .filter(Boolean).join(', '));
  setText($('note'), tree.clustered ? ''
    : 'This node runs alone: without --redis-url there is no tree, ' +
      'only this one machine.');
  $('note').hidden = tree.clustered;
  const isAway = tree.clustered && !tree.store_connected;
  setText($('banner'), isAway ? 'Redis cannot be reached from this node. ' +
    'Streams go on; what is drawn here is the last that was known.' : '');
  $('banner').hidden = !isAway;
}

// --- the state and its changes -------------------------------------------------

function pick(key) {
  picked = picked === key ? '' : key;
  document.activeElement?.closest?.('#details') && $('tree').focus();
  $('details').replaceChildren();
  show();
}

function toggle(parent) {
  if (!expanded.delete(parent))
    expanded.add(parent);
  picked = expanded.has(parent) ? parent : `group ${parent}`;
  $('details').replaceChildren();
  show();
}

// Nodes that are not told of any more are shown for a while: one that drained
// as gone, others as dead.
function withGhosts() {
  const now = Date.now();
  const ids = new Set(tree.nodes.map(node => node.id));
  for (const node of tree.nodes)
    seen.set(node.id, {node, at: now});
  for (const [id, {at}] of seen)
    if (now - at > GHOST_MS)
      seen.delete(id);
  const ghosts = [...seen.values()].map(one => one.node)
    .filter(node => !ids.has(node.id))
    .map(node => ({...node, alive: false, gone: node.draining, viewers: 0,
      tx_bps: 0, cpu_ratio: 0}));
  return {...tree, nodes: [...tree.nodes, ...ghosts]};
}

function show() {
  showStreams();
  const stream = tree.streams.find(one => one.name === streamName);
  const shown = stream ? onlyStream(tree, stream) : withGhosts();
  const layout = layOut(shown, $('tree').clientWidth - 4, expanded);
  set(svg, {width: layout.width, height: layout.height,
    viewBox: `0 0 ${layout.width} ${layout.height}`});
  update(lineLayer, 'line ', layout.lines, makeLine, drawLine);
  update(boxLayer, 'box ', layout.boxes, makeBox, drawBox);
  showWords(shown, layout);
  showDetails(shown, layout.boxes.find(box => box.key === picked));
  if ($('table').open)
    $('rows').replaceChildren(makeTable(NODE_COLUMNS,
      shown.nodes.map(node => nodeRow(shown, node))));
  $('table').hidden = false;
  $('legend').hidden = !layout.lines.length;
  $('tree').classList.remove('stale');
  $('token-form').hidden = true;
}

function showProblem(problem) {
  const needsToken = problem.status === 401;
  $('token-form').hidden = !needsToken;
  setText($('banner'), problem.message);
  $('banner').hidden = problem.code === 'token-missing';
  setText($('status'), problem.status ? '' : 'Trying again…');
  $('tree').classList.add('stale');
}

/** The new tree, or null when it has not changed; throws a Problem. */
async function getTree() {
  const headers = {};
  if (token)
    headers.Authorization = `Bearer ${token}`;
  if (etag)
    headers['If-None-Match'] = etag;
  const response = await fetch('/api/tree', {cache: 'no-store', headers})
    .catch(() => {
      throw new Problem(0, 'unreachable', 'The server cannot be reached.',
        null);
    });
  if (response.status === 304)
    return null;
  if (!response.ok)
    throw await Problem.of(response);
  const answer = await response.json();
  etag = response.headers.get('ETag') || '';
  return answer;
}

async function poll() {
  clearTimeout(timer);
  try {
    tree = await getTree() || tree;
    window.mediaTree = {tree};
    show();
  } catch (problem) {
    if (!(problem instanceof Problem))
      console.error(problem);
    etag = '';
    showProblem(problem);
  }
  clearTimeout(timer); // of another poll meanwhile
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
  saveToken('admin', token);
  poll();
});
$('table').addEventListener('toggle', () => tree && show());
new ResizeObserver(() => tree && show()).observe($('tree'));
$('tree').append(svg);
$('tree').tabIndex = -1;
poll();
