// SPDX-License-Identifier: Apache-2.0
// Where the boxes and lines of /tree stand. Pure: what /api/tree said goes in,
// coordinates come out; tree.js draws them.
// Injection nodes stand left, egress nodes right, each box right of whom it
// hears; many egress nodes of one parent are one box.

export const LOSSY = 0.01; // of a link's packets, before repair
export const BAD = 0.05;
const MANY_NODES = 24; // from here on egress nodes are put together …
const GROUP_MIN = 4;   // … where one parent has so many
const BOX_HEIGHT = 62, ROW_GAP = 12;
const MIN_WIDTH = 92, MAX_WIDTH = 214;
const MIN_GAP = 14, MAX_GAP = 110;
const SIDE = 30; // room at the left, for lines between injection nodes

const byName = new Intl.Collator('en', {numeric: true}).compare;
export const roleOf = node => ['injection', 'relay', 'egress']
  .find(role => node.roles.includes(role)) || 'other';

/** The part of @tree that @stream runs through. */
export function onlyStream(tree, stream) {
  const ids = new Set(stream.nodes);
  const origins = new Set(tree.nodes.filter(node => ids.has(node.id) &&
    roleOf(node) === 'injection').map(node => node.id));
  return {...tree,
    nodes: tree.nodes.filter(node => ids.has(node.id)),
    links: tree.links.filter(link => ids.has(link.child) &&
      ids.has(link.parent) && link.child !== stream.origin &&
      // an injection node hears this stream from its origin only
      (!origins.has(link.child) || link.parent === stream.origin))};
}

/** 'silent', 'bad', 'lossy' or 'ok' */
export function judge(link, parent) {
  if (link.silent || (parent && !parent.alive))
    return 'silent';
  if (link.loss_ratio > BAD)
    return 'bad';
  return link.loss_ratio > LOSSY ? 'lossy' : 'ok';
}

const GRADES = ['ok', 'lossy', 'bad', 'silent'];
const worst = grades => GRADES[Math.max(0, ...grades.map(grade =>
  GRADES.indexOf(grade)))];

// Boxes without a place: one for each node or group of nodes.
function makeBoxes(tree, expanded) {
  const known = new Set(tree.nodes.map(node => node.id));
  const families = new Map(); // parent -> its egress nodes
  for (const node of tree.nodes)
    if (roleOf(node) === 'egress' && known.has(node.parent))
      families.set(node.parent,
        [...families.get(node.parent) || [], node]);
  const isMany = tree.nodes.length >= MANY_NODES;
  const boxes = [], boxOf = new Map();
  const add = box => {
    boxes.push(box);
    for (const node of box.nodes)
      boxOf.set(node.id, box);
  };
  for (const [parent, nodes] of families)
    if (isMany && nodes.length >= GROUP_MIN && !expanded.has(parent))
      add({key: `group ${parent}`, isGroup: true, parent, nodes});
  for (const node of tree.nodes)
    if (!boxOf.has(node.id))
      add({key: node.id, isGroup: false, parent: node.parent, nodes: [node]});
  return {boxes, boxOf};
}

// Columns: injection, relays by rank, egress; those without a box are left out.
function setColumns(boxes) {
  const relayColumn = node => Math.max(1, node.rank - 1);
  const lastRelay = Math.max(0, ...boxes.map(box =>
    roleOf(box.nodes[0]) === 'relay' ? relayColumn(box.nodes[0]) : 0));
  for (const box of boxes) {
    const role = roleOf(box.nodes[0]);
    box.role = role;
    box.column = role === 'injection' ? 0
      : role === 'relay' ? relayColumn(box.nodes[0]) : lastRelay + 1;
  }
  const used = [...new Set(boxes.map(box => box.column))]
    .sort((a, b) => a - b);
  for (const box of boxes)
    box.column = used.indexOf(box.column);
  return used.length;
}

// Rows: a subtree has rows of its own, a parent stands in their middle.
function setRows(boxes, boxOf) {
  const children = new Map(boxes.map(box => [box, []]));
  const roots = [];
  for (const box of boxes) {
    const parent = boxOf.get(box.parent);
    (parent && parent !== box && parent.column < box.column
      ? children.get(parent) : roots).push(box);
  }
  const inOrder = (a, b) => a.column - b.column ||
    byName(a.nodes[0].id, b.nodes[0].id);
  let n_rows = 0;
  const place = box => {
    const below = children.get(box).sort(inOrder);
    below.forEach(place);
    box.row = below.length
      ? (below[0].row + below[below.length - 1].row) / 2 : n_rows++;
  };
  roots.sort(inOrder).forEach(place);
  return n_rows;
}

function setPlaces(boxes, n_columns, n_rows, width, hasSide) {
  const side = hasSide ? SIDE : 2;
  const free = Math.max(0, width - side - 2);
  const n_gaps = Math.max(1, n_columns - 1);
  const gap = Math.min(MAX_GAP, Math.max(MIN_GAP, Math.min(
    free * 0.3 / n_gaps, (free - n_columns * MIN_WIDTH) / n_gaps)));
  const boxWidth = Math.floor(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH,
    (free - gap * (n_columns - 1)) / Math.max(1, n_columns))));
  for (const box of boxes)
    Object.assign(box, {x: side + box.column * (boxWidth + gap),
      y: 2 + box.row * (BOX_HEIGHT + ROW_GAP), width: boxWidth,
      height: BOX_HEIGHT});
  return {width: side + n_columns * boxWidth + (n_columns - 1) * gap + 2,
    height: Math.max(0, n_rows * (BOX_HEIGHT + ROW_GAP) - ROW_GAP) + 4};
}

function makePath(parent, child, shift) {
  const y1 = parent.y + parent.height / 2 + shift;
  const y2 = child.y + child.height / 2 + shift;
  if (parent.column === child.column) { // around the left side
    const x = child.x, bend = x - SIDE * 1.2;
    return `M${x} ${y1}C${bend} ${y1} ${bend} ${y2} ${x} ${y2}`;
  }
  const x1 = parent.x + parent.width, x2 = child.x;
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

// Lines: one for each pair of boxes and kind, with all links it stands for.
function makeLines(tree, boxOf) {
  const nodes = new Map(tree.nodes.map(node => [node.id, node]));
  const lines = new Map();
  for (const link of tree.links) {
    const from = boxOf.get(link.parent), to = boxOf.get(link.child);
    if (!from || !to || from === to)
      continue;
    const key = `${from.key} ${to.key} ${link.kind}`;
    const line = lines.get(key) || {key, from, to, kind: link.kind, links: [],
      grades: []};
    line.links.push(link);
    line.grades.push(judge(link, nodes.get(link.parent)));
    lines.set(key, line);
  }
  return [...lines.values()];
}

/**
 * @width: pixels there are; @expanded: a Set of parents whose egress nodes are
 * shown one by one. Returns {width, height, boxes, lines}: a box has key, role,
 * nodes, x, y, width, height, grade (of its links); a line key, from, to,
 * links, kind, grade, path.
 */
export function layOut(tree, width, expanded = new Set()) {
  const {boxes, boxOf} = makeBoxes(tree, expanded);
  const lines = makeLines(tree, boxOf);
  const n_columns = setColumns(boxes);
  const n_rows = setRows(boxes, boxOf);
  const size = setPlaces(boxes, n_columns, n_rows, width,
    lines.some(line => line.from.column === line.to.column));
  for (const line of lines) {
    line.grade = worst(line.grades);
    line.isFed = line.links.some(link => link.active && link.streams > 0);
    line.path = makePath(line.from, line.to, line.kind === 'parent' ? 0 : 6);
  }
  for (const box of boxes) {
    // a candidate that is silent does no harm
    const its = lines.filter(line => line.to === box &&
      line.kind !== 'candidate');
    box.grade = worst(its.map(line => line.grade));
    box.n_lossy = new Set(its.flatMap(line => line.links.filter((link, i) =>
      line.grades[i] !== 'ok').map(link => link.child))).size;
  }
  return {...size, boxes, lines};
}
