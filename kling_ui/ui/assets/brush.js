/* The motion brush in the browser; brush.py makes its page and reads what is painted.

   Gradio runs this each time the control is mounted, and hands in element, props and watch.
   props.picture is the address of the start image. props.value is JSON text:
   {picture, areas: [{mask, trajectories: [{x, y}, …]}, …]}. The first area is the one that stays
   still. Masks are data URIs, white on black, or null; points are pixels of the picture, counted
   from its bottom left. A value for another picture than the shown one is neither shown nor
   changed: the picture may be on its way, or come back. */
'use strict';
const STILL = 0;
const [RED, ALPHA] = [0, 3];
const [WHITE, BLACK, CLEAR] = [0xffffffff, 0xff000000, 0];

const part = name => element.querySelector(`[data-part="${name}"]`);
const [root, body, stage, photo, paths, cursor, hint] =
  ['root', 'body', 'stage', 'photo', 'paths', 'cursor', 'hint'].map(part);
const [add, undo, clear, clearAll, slider] = ['add', 'undo', 'clear', 'clear-all', 'size'].map(part);
const chips = [...element.querySelectorAll('.k-brush-chip')];
const tools = [...element.querySelectorAll('[data-tool]')];
const limits = JSON.parse(root.dataset.limits);

const areas = [...element.querySelectorAll('.k-brush-sheet')].map(sheet => ({
  sheet, ink: sheet.getContext('2d', {willReadFrequently: true}),
  mask: null, path: [], earlier: [], drawing: null,
}));
let [shown, known] = ['', ''];     /* the picture's address and the value that are shown */
let size = null;                   /* of the sheets, in px; null until the picture is there */
let [active, added, tool] = [1, 1, 'paint'];
let [at, stroke] = [null, null];   /* where the brush is, and the stroke it paints */

/* What a control that is mounted anew would not know: Gradio 6.31 forgets props.picture when the
   control is hidden, and the value holds no earlier states. */
const memory = window.klingBrush ??= {picture: '', value: '', earlier: []};

/* The picture and the value */

function update() {
  memory.picture = props.picture ?? memory.picture;
  if (memory.picture !== shown) loadPicture(memory.picture);
  else if (size && (props.value || '') !== known) showPainting();
}

function loadPicture(address) {
  [shown, size, stroke] = [address, null, null];
  const base = address.startsWith('/') ? window.klingRoot() : '';
  if (address) photo.src = base + address;
  else photo.removeAttribute('src');
  refresh(address ? 'Loading the start image…' : 'Add the start image as a file first.');
}

photo.addEventListener('load', () => {
  size = sheetSize(photo.naturalWidth, photo.naturalHeight);
  showPainting();
});
photo.addEventListener('error', () => {
  refresh("The browser can't show this start image. Save it as JPEG or PNG to paint on it.");
});

/* Of exactly the picture's shape where whole pixels allow that within the limits. */
function sheetSize(width, height) {
  const longest = Math.max(width, height);
  const most = Math.min(longest, limits.longestMask);
  let side = most;
  while ((side * width) % longest || (side * height) % longest) side -= 1;
  const scale = (side < limits.shortestMask ? most : side) / longest;
  return {width: Math.round(width * scale), height: Math.round(height * scale)};
}

function showPainting() {
  known = props.value || '';
  const painting = parsed(known);
  const isOurs = painting.picture === shown;
  areas.forEach((area, number) => {
    const {mask = null, trajectories = []} = (isOurs && painting.areas[number]) || {};
    const earlier = isOurs && memory.value === known ? memory.earlier[number] : [];
    Object.assign(area, {mask, path: trajectories, earlier});
    drawMask(area);
  });
  [stroke, active, tool] = [null, 1, 'paint'];
  added = Math.max(1, areas.findLastIndex(isStarted));
  refresh();
}

function parsed(text) {
  try { return JSON.parse(text) ?? {}; } catch { return {}; }
}

/* At once, not later: whoever presses Generate right after a stroke has painted it. */
function publish() {
  const painted = areas.map(({mask, path}) => ({mask, trajectories: path}));
  known = areas.some(isStarted) ? JSON.stringify({picture: shown, areas: painted}) : '';
  Object.assign(memory, {value: known, earlier: areas.map(area => area.earlier)});
  if ((props.value || '') !== known) props.value = known;
  refresh();
}

/* The areas */

const isStarted = ({mask, path}) => mask !== null || path.length > 0;
const isReady = area =>
  area.mask !== null && (area === areas[STILL] || area.path.length >= limits.minPoints);

/* Every change goes this way, so that each can be undone. */
function change(area, {mask = area.mask, path = area.path}) {
  if (mask === area.mask && path === area.path) return;
  area.earlier.push({mask: area.mask, path: area.path});
  Object.assign(area, {mask, path});
  publish();
}

function undoChange(area) {
  if (!area.earlier.length) return;
  Object.assign(area, area.earlier.pop());
  drawMask(area);
  publish();
}

function wipe(area) {
  if (!isStarted(area)) return;
  change(area, {mask: null, path: []});
  drawMask(area);
}

/* Shows an area's mask as paint in the area's color. While it is decoded, `drawing` is set. */
async function drawMask(area) {
  const {mask, sheet, ink} = area;
  Object.assign(sheet, size);   /* also wipes it and resets the ink */
  ink.strokeStyle = ink.fillStyle = getComputedStyle(sheet).color;
  ink.lineCap = 'round';
  const drawing = area.drawing = mask && Object.assign(new Image(), {src: mask});
  if (!drawing) return;
  await drawing.decode().catch(() => {});
  if (area.drawing !== drawing || !size) return;
  area.drawing = null;
  if (!drawing.naturalWidth) return change(area, {mask: null});
  ink.drawImage(drawing, 0, 0, size.width, size.height);
  ink.putImageData(inTwoColors(ink, RED, WHITE, CLEAR).image, 0, 0);
  ink.globalCompositeOperation = 'source-in';
  ink.fillRect(0, 0, size.width, size.height);
}

function maskOf({ink}) {
  const {image, isAnyOn} = inTwoColors(ink, ALPHA, WHITE, BLACK);
  const print = Object.assign(document.createElement('canvas'), size);
  print.getContext('2d').putImageData(image, 0, 0);
  return isAnyOn ? print.toDataURL('image/png') : null;
}

/* The pixels of a sheet, each `on` where a channel is more than half full, else `off`. */
function inTwoColors(ink, channel, on, off) {
  const image = ink.getImageData(0, 0, size.width, size.height);
  const pixels = new Uint32Array(image.data.buffer);
  let isAnyOn = false;
  for (let i = 0; i < pixels.length; i += 1) {
    const isOn = image.data[4 * i + channel] > 127;
    pixels[i] = isOn ? on : off;
    isAnyOn ||= isOn;
  }
  return {image, isAnyOn};
}

/* Painting */

const brushWidth = () => Math.max(2, slider.value / 100 * Math.max(size.width, size.height));

/* Places are fractions of the picture, from its top left. */
const placed = (x, y) => ({x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y))});
function placeOf(event) {
  const box = stage.getBoundingClientRect();
  return placed((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

function beginStroke() {
  const area = areas[active];
  if (area.drawing) return;
  stroke = {area, isErasing: tool === 'erase', at};
  extendStroke(at);
}

function extendStroke(to) {
  const {area: {ink}, isErasing, at: from} = stroke;
  ink.globalCompositeOperation = isErasing ? 'destination-out' : 'source-over';
  ink.lineWidth = brushWidth();
  ink.beginPath();
  ink.moveTo(from.x * size.width, from.y * size.height);
  /* A line of no length would draw nothing, and a click no dot. */
  ink.lineTo(to.x * size.width + 0.01, to.y * size.height);
  ink.stroke();
  stroke.at = to;
}

function endStroke() {
  if (!stroke) return;
  const {area} = stroke;
  stroke = null;
  change(area, {mask: maskOf(area)});
}

function addPoint() {
  const {naturalWidth: width, naturalHeight: height} = photo;
  const {path} = areas[active];
  const x = Math.min(width - 1, Math.floor(at.x * width));
  const y = Math.max(0, height - 1 - Math.floor(at.y * height));
  const isRepeated = path.at(-1)?.x === x && path.at(-1)?.y === y;
  if (active === STILL || isRepeated || path.length >= limits.maxPoints) return;
  change(areas[active], {path: [...path, {x, y}]});
}

/* What the person sees */

function refresh(problem = '') {
  body.hidden = !size;
  root.dataset.tool = tool;
  const text = size ? advice() : problem;
  if (hint.textContent !== text) hint.textContent = text;
  if (!size) return;
  stage.style.setProperty('--k-ratio', size.width / size.height);
  for (const chip of chips) {
    const number = Number(chip.dataset.area);
    const state = isReady(areas[number]) ? 'ready' : isStarted(areas[number]) ? 'half' : 'empty';
    chip.hidden = number > added;
    chip.dataset.state = state;
    chip.setAttribute('aria-pressed', number === active);
    const words = {empty: 'empty', half: 'not finished', ready: 'ready'}[state];
    chip.setAttribute('aria-label', `${chip.textContent.trim()}, ${words}`);
  }
  areas.forEach(({sheet}, number) => sheet.classList.toggle('k-brush-active', number === active));
  for (const button of tools) {
    button.setAttribute('aria-pressed', button.dataset.tool === tool);
    setOff(button, button.dataset.tool === 'path' && active === STILL);
  }
  add.hidden = added === areas.length - 1;
  slider.disabled = tool === 'path';
  setOff(undo, !areas[active].earlier.length);
  setOff(clear, !isStarted(areas[active]));
  setOff(clearAll, !areas.some(isStarted));
  paths.innerHTML = areas.map(pathMarkup).join('');
  moveCursor(at);
}

function advice() {
  const {mask, path} = areas[active];
  if (tool === 'erase' && mask) return 'Rub out what should not be part of the area.';
  if (active === STILL && !mask) return 'Paint what should stay still.';
  if (active === STILL) return 'This stays still. Paint more, or choose an area.';
  if (!mask && path.length) return 'Now paint what should move along the path.';
  if (!mask && known && !areas.some(isStarted)) return 'Another start image: paint anew what should move.';
  if (!mask) return 'Paint what should move.';
  if (!path.length && tool === 'path') return 'Now click the path it takes: 2 points or more.';
  if (!path.length) return 'Paint more, or choose Path and click where it goes.';
  if (path.length < limits.minPoints) return 'Click at least one more point.';
  if (path.length >= limits.maxPoints) return `The path is full: ${limits.maxPoints} points are the most.`;
  const unfinished = areas.findIndex(area => isStarted(area) && !isReady(area));
  if (unfinished > 0) return `Area ${active} is ready. Area ${unfinished} is not finished yet.`;
  const more = tool === 'path' ? 'Click on to extend the path' : 'Paint more';
  return `Area ${active} is ready.${add.hidden ? '' : ` ${more}, or add an area.`}`;
}

/* Not `disabled`: that would take the focus from whoever just pressed it. */
const setOff = (button, isOff) => button.setAttribute('aria-disabled', isOff);
const onPress = (button, act) => button.addEventListener('click', () => {
  if (button.getAttribute('aria-disabled') !== 'true' && !stroke) act();
});

function pathMarkup({path}, number) {
  const places = path.map(({x, y}) => [
    `${100 * (x + 0.5) / photo.naturalWidth}%`,
    `${100 - 100 * (y + 0.5) / photo.naturalHeight}%`,
  ]);
  const lines = places.slice(1).map(([x, y], i) =>
    `<line x1="${places[i][0]}" y1="${places[i][1]}" x2="${x}" y2="${y}"/>`);
  const dots = places.map(([x, y], i) => i === 0 || i === places.length - 1
    ? `<circle cx="${x}" cy="${y}" r="9"/><text x="${x}" y="${y}">${i + 1}</text>`
    : `<circle cx="${x}" cy="${y}" r="4"/>`);
  return `<g data-area="${number}">${lines.join('')}${dots.join('')}</g>`;
}

function moveCursor(place) {
  at = place;
  cursor.hidden = !at;
  if (!at) return;
  const width = tool === 'path' ? '' : `${100 * brushWidth() / size.width}%`;
  Object.assign(cursor.style, {left: `${100 * at.x}%`, top: `${100 * at.y}%`, width});
}

/* What the person does */

stage.addEventListener('pointerdown', event => {
  if (event.button !== 0 || !event.isPrimary || tool === 'path') return;
  stage.setPointerCapture(event.pointerId);
  moveCursor(placeOf(event));
  beginStroke();
});
stage.addEventListener('pointermove', event => {
  if (!event.isPrimary) return;
  moveCursor(placeOf(event));
  /* Where the hand was between two frames, so that a quick stroke stays round. */
  const between = event.getCoalescedEvents?.() ?? [];   /* older Safari has none */
  if (stroke) [...between, event].forEach(each => extendStroke(placeOf(each)));
});
stage.addEventListener('pointerup', event => {
  endStroke();
  if (event.pointerType !== 'mouse') moveCursor(null);
});
/* The browser took the touch for a pinch: what it drew was not meant. */
stage.addEventListener('pointercancel', () => {
  if (stroke) drawMask(stroke.area);
  stroke = null;
  moveCursor(null);
});
stage.addEventListener('pointerleave', () => { if (!stroke) moveCursor(null); });
stage.addEventListener('click', event => {
  if (tool !== 'path') return;
  moveCursor(placeOf(event));
  addPoint();
  if (event.pointerType === 'touch') moveCursor(null);
});
stage.addEventListener('focus', () => {
  if (stage.matches(':focus-visible')) moveCursor(at ?? {x: 0.5, y: 0.5});
});
stage.addEventListener('blur', () => moveCursor(null));
stage.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || stroke) return;
  const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const [right, down] = ways[event.key] ?? [0, 0];
  if (!ways[event.key] && event.key !== ' ' && event.key !== 'Enter') return;
  event.preventDefault();
  const step = event.shiftKey ? 0.005 : 0.03;
  const {x, y} = at ?? {x: 0.5, y: 0.5};
  moveCursor(placed(x + right * step, y + down * step));
  if (ways[event.key]) return;
  if (tool === 'path') return addPoint();
  beginStroke();
  endStroke();
});
root.addEventListener('keydown', event => {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z';
  if (!isUndo || !size || stroke) return;
  event.preventDefault();
  undoChange(areas[active]);
});

function choose(number, nextTool = tool) {
  [active, added] = [number, Math.max(added, number)];
  tool = number === STILL && nextTool === 'path' ? 'paint' : nextTool;
  refresh();
}
chips.forEach(chip => onPress(chip, () => choose(Number(chip.dataset.area))));
tools.forEach(button => onPress(button, () => choose(active, button.dataset.tool)));
onPress(add, () => choose(added + 1, 'paint'));
onPress(undo, () => undoChange(areas[active]));
onPress(clear, () => wipe(areas[active]));
onPress(clearAll, () => areas.forEach(wipe));
slider.addEventListener('input', () => moveCursor({x: 0.5, y: 0.5}));
slider.addEventListener('change', () => moveCursor(null));

/* Gradio takes any quoted word of this file for an event of that name, so the name of a property
   that Python sets must not stand here in quotes. */
watch(Object.keys({picture: 0, value: 0}), update);
update();
