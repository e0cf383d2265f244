/* The motion brush in the browser. Gradio runs this once for each time the control is mounted and
   hands in element, props and watch. The painting is what its steps add up to: undo drops the last
   one, and a control that is mounted anew takes them from its value. */
'use strict';
const [STILL, AREAS] = [0, 6];
const [LEAST_POINTS, MOST_POINTS] = [2, 77];
const LONGEST_MASK = 1280;
const SHORTEST_EXACT_MASK = 640;
const COLORS = ['#f1f5f9', '#fb923c', '#38bdf8', '#a3e635', '#f472b6', '#facc15', '#c4b5fd'];
const [DARK, LIGHT] = ['#1c1917', '#ffffff'];

const part = name => element.querySelector(`[data-part="${name}"]`);
const [root, body, stage, canvas, hint] = ['root', 'body', 'stage', 'canvas', 'hint'].map(part);
const [add, undo, clear, clearAll, slider] = ['add', 'undo', 'clear', 'clear-all', 'size'].map(part);
const chips = [...element.querySelectorAll('[data-area]')];
const tools = [...element.querySelectorAll('[data-tool]')];
const pen = canvas.getContext('2d');

let picture = null;
let size = {width: 0, height: 0};
let steps = [];
let areas = [];
let [added, active, tool] = [1, 1, 'paint'];
let [stroke, cursor, isFrameDue] = [null, null, false];
let [shown, published] = [null, null];

/* The picture */

/* Of the same shape as the picture to the pixel where that leaves enough pixels. */
function maskSize(width, height) {
  const divisor = (a, b) => b ? divisor(b, a % b) : a;
  const longest = Math.max(width, height);
  if (longest <= LONGEST_MASK) return {width, height};
  const common = divisor(width, height);
  const exact = Math.floor(LONGEST_MASK * common / longest) / common;
  const scale = exact * longest < SHORTEST_EXACT_MASK ? LONGEST_MASK / longest : exact;
  return {width: Math.round(width * scale), height: Math.round(height * scale)};
}

function address(source) {
  const base = (window.gradio_config?.root ?? '').replace(/\/$/, '');
  return source.startsWith('/') ? base + source : source;
}

/* A change of `visible` makes Gradio 6.31 lose every other property: a control that is mounted
   after one takes the picture that it had before. */
function remembered() {
  const name = element.parentElement.closest('[id]')?.id ?? '';
  const memory = window.klingBrushPictures ??= {};
  if (props.picture_id === undefined) return memory[name] ?? {picture: '', picture_id: ''};
  return memory[name] = {picture: props.picture, picture_id: props.picture_id};
}

function show() {
  const {picture: source, picture_id: name} = remembered();
  if (shown === name) return;
  shown = name;
  [picture, stroke, cursor] = [null, null, null];
  forget();
  if (!kept()) publish();
  refresh();
  if (!source) return;
  hint.textContent = 'Loading the start image…';
  const image = new Image();
  image.onload = () => {
    if (shown !== name) return;
    picture = image;
    size = maskSize(image.naturalWidth, image.naturalHeight);
    restore();
  };
  image.onerror = () => {
    if (shown === name) hint.textContent = 'The start image can’t be shown here.';
  };
  image.src = address(source);
}

function forget() {
  [steps, areas, added, active, tool] = [[], [], 1, 1, 'paint'];
}

/* What this control painted on this picture before it was taken off the page, or what Python set. */
function kept() {
  let value = null;
  try { value = JSON.parse(props.value); } catch { /* no painting yet */ }
  const isOurs = shown && value?.picture_id === shown && Array.isArray(value.steps);
  return isOurs ? value : null;
}

function restore() {
  forget();
  ({steps, added, active} = kept() ?? {steps, added, active});
  rebuild();
  publish();
}

/* The painting */

function newArea(number) {
  const sheet = Object.assign(document.createElement('canvas'), size);
  const ink = sheet.getContext('2d', {willReadFrequently: true});
  ink.fillStyle = ink.strokeStyle = number === STILL ? hatching(ink) : COLORS[number];
  ink.lineCap = 'round';
  return {sheet, ink, path: [], mask: null, isChanged: false};
}

function hatching(ink) {
  const side = Math.max(8, Math.round(Math.max(size.width, size.height) / 60));
  const tile = Object.assign(document.createElement('canvas'), {width: side, height: side});
  const brush = tile.getContext('2d');
  brush.fillStyle = COLORS[STILL];
  brush.fillRect(0, 0, side, side);
  brush.strokeStyle = '#475569';
  brush.lineWidth = side / 4;
  for (const shift of [-side, 0, side]) {
    brush.beginPath();
    brush.moveTo(shift - side, side * 2);
    brush.lineTo(shift + side * 2, -side);
    brush.stroke();
  }
  return ink.createPattern(tile, 'repeat');
}

/* One area anew from its steps, or all of them. */
function rebuild(only = null) {
  const isMeant = number => only === null || number === only;
  areas = Array.from({length: AREAS + 1}, (_, n) => isMeant(n) ? newArea(n) : areas[n]);
  for (const step of steps) {
    if (step.area === null || isMeant(step.area)) apply({...step, area: only ?? step.area});
  }
  areas.forEach((area, number) => { if (!isEmpty(number)) added = Math.max(added, number); });
}

function apply(step) {
  if (step.does === 'clear') return (step.area === null ? areas : [areas[step.area]]).forEach(wipe);
  const area = areas[step.area];
  if (step.does === 'point') return area.path.push({x: step.x, y: step.y});
  for (let i = 0; i < step.line.length; i += 2) dab(step, i);
}

function wipe(area) {
  area.ink.clearRect(0, 0, size.width, size.height);
  Object.assign(area, {path: [], mask: null, isChanged: false});
}

/* The i-th point of a stroke and the way to it; drawn piece by piece so that a repeat looks alike. */
function dab({area: number, does, width, line}, i) {
  const area = areas[number];
  const [x, y] = [line[i], line[i + 1]];
  area.ink.globalCompositeOperation = does === 'erase' ? 'destination-out' : 'source-over';
  area.ink.lineWidth = width;
  area.ink.beginPath();
  area.ink.arc(x, y, width / 2, 0, 2 * Math.PI);
  area.ink.fill();
  if (i > 0) {
    area.ink.beginPath();
    area.ink.moveTo(line[i - 2], line[i - 1]);
    area.ink.lineTo(x, y);
    area.ink.stroke();
  }
  area.isChanged = true;
}

/* White where there is paint, black elsewhere, no gray in between; null where there is none. */
function maskOf(area) {
  if (!area.isChanged) return area.mask;
  const image = area.ink.getImageData(0, 0, size.width, size.height);
  const pixels = new Uint32Array(image.data.buffer);
  let hasPaint = false;
  for (let i = 0; i < pixels.length; i += 1) {
    const isPainted = image.data[4 * i + 3] > 127;
    hasPaint ||= isPainted;
    pixels[i] = isPainted ? 0xffffffff : 0xff000000;
  }
  const print = Object.assign(document.createElement('canvas'), size);
  print.getContext('2d').putImageData(image, 0, 0);
  area.mask = hasPaint ? print.toDataURL('image/png') : null;
  area.isChanged = false;
  return area.mask;
}

const isEmpty = number => maskOf(areas[number]) === null && areas[number].path.length === 0;
const isReady = number => maskOf(areas[number]) !== null
  && (number === STILL || areas[number].path.length >= LEAST_POINTS);

/* At once, not later: whoever presses Generate right after a stroke has painted it. */
function publish() {
  const isBlank = steps.length === 0 && added === 1;
  published = isBlank ? '' : JSON.stringify({
    picture_id: shown,
    ...size,
    static_mask: maskOf(areas[STILL]),
    areas: areas.slice(1).map(area => ({mask: maskOf(area), trajectories: area.path})),
    steps, added, active,
  });
  if ((props.value || '') !== published) props.value = published;
  if (picture) refresh();
}

function take(step) {
  steps.push(step);
  apply(step);
  publish();
}

/* What the person sees */

function refresh() {
  body.hidden = !picture;
  root.dataset.tool = tool;
  if (!picture) {
    hint.textContent = 'Add a start image first.';
    return;
  }
  const ratio = size.width / size.height;
  canvas.style.aspectRatio = `${size.width} / ${size.height}`;
  canvas.style.width = `min(100%, calc(min(62vh, 560px) * ${ratio.toFixed(4)}))`;
  for (const chip of chips) {
    const number = Number(chip.dataset.area);
    const state = isEmpty(number) ? 'empty' : isReady(number) ? 'ready' : 'half';
    chip.hidden = number > added;
    chip.dataset.state = state;
    chip.setAttribute('aria-pressed', String(number === active));
    const words = {empty: 'empty', half: 'not finished', ready: 'ready'}[state];
    chip.setAttribute('aria-label', `${chip.textContent.trim()}, ${words}`);
  }
  for (const button of tools) {
    button.setAttribute('aria-pressed', String(button.dataset.tool === tool));
    setOff(button, button.dataset.tool === 'path' && active === STILL);
  }
  add.hidden = added === AREAS;
  slider.disabled = tool === 'path';
  setOff(undo, steps.length === 0);
  setOff(clear, isEmpty(active));
  setOff(clearAll, areas.every((_, number) => isEmpty(number)) && added === 1);
  const text = advice();
  if (hint.textContent !== text) hint.textContent = text;
  draw();
}

/* Not `disabled`: that would take the focus from whoever just pressed it. */
const setOff = (button, isOff) => button.setAttribute('aria-disabled', String(isOff));
const onPress = (button, act) => button.addEventListener('click', () => {
  if (button.getAttribute('aria-disabled') !== 'true') act();
});

function advice() {
  const {path} = areas[active];
  const hasPaint = maskOf(areas[active]) !== null;
  if (tool === 'erase' && hasPaint) return 'Rub out what should not be part of the area.';
  if (active === STILL) {
    if (!hasPaint) return 'Paint what should stay still.';
    return 'This stays still. Paint more, or choose an area.';
  }
  if (!hasPaint && path.length) return 'Now paint what should move along the path.';
  if (!hasPaint) return 'Paint what should move.';
  if (path.length === 0 && tool === 'path') return 'Now click the path it takes: 2 points or more.';
  if (path.length === 0) return 'Paint more, or choose Path and click where it goes.';
  if (path.length < LEAST_POINTS) return 'Click at least one more point.';
  if (path.length >= MOST_POINTS) return `The path is full: ${MOST_POINTS} points are the most.`;
  const rest = chips.map(chip => Number(chip.dataset.area)).filter(n => !isEmpty(n) && !isReady(n));
  if (rest.length) return `Area ${active} is ready. Area ${rest[0]} is not finished yet.`;
  if (added === AREAS) return `Area ${active} is ready.`;
  const more = tool === 'path' ? 'Click on to extend the path' : 'Paint more';
  return `Area ${active} is ready. ${more}, or add an area.`;
}

function draw() {
  if (isFrameDue) return;
  isFrameDue = true;
  requestAnimationFrame(() => { isFrameDue = false; paintCanvas(); });
}

function paintCanvas() {
  const {width, height} = canvas.getBoundingClientRect();
  if (!picture || !width || !height) return;
  const density = Math.min(2, window.devicePixelRatio || 1);
  const [wide, high] = [Math.round(width * density), Math.round(height * density)];
  const isResized = canvas.width !== wide || canvas.height !== high;
  if (isResized) Object.assign(canvas, {width: wide, height: high});
  pen.setTransform(wide / width, 0, 0, high / height, 0, 0);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, 0, 0, width, height);
  const order = areas.map((_, number) => number).filter(number => number !== active);
  for (const number of [...order, active]) {
    pen.globalAlpha = number === active ? 0.62 : 0.42;
    pen.drawImage(areas[number].sheet, 0, 0, width, height);
  }
  pen.globalAlpha = 1;
  for (const number of [...order, active]) drawPath(number, width, height);
  if (cursor) drawCursor(width, height);
}

/* A point of the picture, counted from its bottom left, on the canvas. */
const placed = (point, width, height) => ({
  x: (point.x + 0.5) / picture.naturalWidth * width,
  y: (picture.naturalHeight - point.y - 0.5) / picture.naturalHeight * height,
});

function trace(points, color, width, dash = []) {
  pen.beginPath();
  points.forEach(({x, y}, i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y));
  Object.assign(pen, {strokeStyle: color, lineWidth: width, lineJoin: 'round', lineCap: 'round'});
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
}

function drawPath(number, width, height) {
  const points = areas[number].path.map(point => placed(point, width, height));
  if (!points.length) return;
  trace(points, DARK, 5);
  trace(points, COLORS[number], 2.5);
  let last = null;
  points.forEach((point, i) => {
    const isEnd = i === 0 || i === points.length - 1;
    const isClear = !last || Math.hypot(point.x - last.x, point.y - last.y) > 22;
    const isNumbered = isEnd || isClear;
    if (isNumbered) last = point;
    dot(point, isNumbered ? String(i + 1) : '', number);
  });
  if (points.length > 1) arrow(points.at(-2), points.at(-1), number);
}

function dot({x, y}, text, number) {
  pen.beginPath();
  pen.arc(x, y, text ? 9 : 3.5, 0, 2 * Math.PI);
  Object.assign(pen, {fillStyle: COLORS[number], strokeStyle: DARK, lineWidth: 1.5});
  pen.fill();
  pen.stroke();
  Object.assign(pen, {fillStyle: DARK, font: '700 11px ui-sans-serif, system-ui, sans-serif'});
  Object.assign(pen, {textAlign: 'center', textBaseline: 'middle'});
  pen.fillText(text, x, y + 0.5);
}

function arrow(from, to, number) {
  const way = Math.hypot(to.x - from.x, to.y - from.y);
  if (way < 30) return;
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  pen.save();
  pen.translate(to.x, to.y);
  pen.rotate(angle);
  pen.beginPath();
  pen.moveTo(-10, 0);
  pen.lineTo(-22, -7);
  pen.lineTo(-22, 7);
  pen.closePath();
  Object.assign(pen, {fillStyle: COLORS[number], strokeStyle: DARK, lineWidth: 1.5});
  pen.stroke();
  pen.fill();
  pen.restore();
}

function drawCursor(width, height) {
  const at = {x: cursor.x * width, y: cursor.y * height};
  if (tool === 'path') {
    const {path} = areas[active];
    if (path.length) trace([placed(path.at(-1), width, height), at], LIGHT, 1.5, [3, 5]);
    return dot(at, '', active);
  }
  const radius = brushWidth() / 2 / size.width * width;
  for (const [color, thickness] of [[DARK, 3], [LIGHT, 1.5]]) {
    pen.beginPath();
    pen.arc(at.x, at.y, radius, 0, 2 * Math.PI);
    Object.assign(pen, {strokeStyle: color, lineWidth: thickness});
    pen.stroke();
  }
}

/* What the person does */

const brushWidth = () => Math.max(2, Number(slider.value) / 100 * Math.max(size.width, size.height));
const held = (n, least, most) => Math.min(most, Math.max(least, n));

function fraction(event) {
  const box = canvas.getBoundingClientRect();
  return {
    x: held((event.clientX - box.left) / box.width, 0, 1),
    y: held((event.clientY - box.top) / box.height, 0, 1),
  };
}

function beginStroke(at) {
  stroke = {does: tool, area: active, width: Math.round(brushWidth()), line: []};
  extendStroke(at);
}

function extendStroke({x, y}) {
  const {line: points, width} = stroke;
  const point = [Math.round(x * size.width), Math.round(y * size.height)];
  const way = Math.hypot(point[0] - points.at(-2), point[1] - points.at(-1));
  if (way < Math.max(1, width / 12)) return;
  points.push(...point);
  dab(stroke, points.length - 2);
  draw();
}

function endStroke() {
  if (!stroke) return;
  steps.push(stroke);
  stroke = null;
  publish();
}

function setPoint({x, y}) {
  const {naturalWidth: width, naturalHeight: height} = picture;
  const column = held(Math.floor(x * width), 0, width - 1);
  const row = held(Math.floor(y * height), 0, height - 1);
  const point = {x: column, y: height - 1 - row};
  const last = areas[active].path.at(-1);
  const isRepeated = last && last.x === point.x && last.y === point.y;
  if (active === STILL || isRepeated || areas[active].path.length >= MOST_POINTS) return;
  take({does: 'point', area: active, ...point});
}

function choose(number) {
  active = number;
  if (number === STILL && tool === 'path') tool = 'paint';
  publish();
}

function undoStep() {
  if (!steps.length) return;
  rebuild(steps.pop().area);
  publish();
}

canvas.addEventListener('pointerdown', event => {
  if (!picture || event.button !== 0 || !event.isPrimary || tool === 'path') return;
  canvas.setPointerCapture(event.pointerId);
  cursor = fraction(event);
  beginStroke(cursor);
});
canvas.addEventListener('pointermove', event => {
  if (!picture || !event.isPrimary) return;
  cursor = fraction(event);
  /* Where the hand was between two frames, so that a quick stroke stays round. */
  const between = event.getCoalescedEvents?.() ?? [];
  if (stroke) [...between, event].forEach(each => extendStroke(fraction(each)));
  draw();
});
canvas.addEventListener('pointerup', event => {
  if (!stroke) return;
  extendStroke(fraction(event));
  endStroke();
  if (event.pointerType !== 'mouse') cursor = null;
});
/* The browser took the touch for a pinch: what it drew was not meant. */
canvas.addEventListener('pointercancel', () => {
  cursor = null;
  if (!stroke) return;
  rebuild(stroke.area);
  stroke = null;
  refresh();
});
canvas.addEventListener('pointerleave', () => { if (!stroke) { cursor = null; draw(); } });
canvas.addEventListener('click', event => {
  if (!picture || tool !== 'path') return;
  setPoint(fraction(event));
  if (event.pointerType === 'touch') cursor = null;
});

canvas.addEventListener('keydown', event => {
  if (!picture || event.ctrlKey || event.metaKey || event.altKey) return;
  const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const way = ways[event.key];
  if (!way && event.key !== ' ' && event.key !== 'Enter') return;
  event.preventDefault();
  cursor ??= {x: 0.5, y: 0.5};
  if (!way) return tool === 'path' ? setPoint(cursor) : (beginStroke(cursor), endStroke());
  const length = event.shiftKey ? 0.005 : 0.03;
  cursor = {x: held(cursor.x + way[0] * length, 0, 1), y: held(cursor.y + way[1] * length, 0, 1)};
  draw();
});
canvas.addEventListener('focus', () => {
  if (canvas.matches(':focus-visible')) cursor ??= {x: 0.5, y: 0.5};
  draw();
});
canvas.addEventListener('blur', () => { cursor = null; draw(); });

root.addEventListener('keydown', event => {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z';
  if (!isUndo || !picture) return;
  event.preventDefault();
  undoStep();
});
chips.forEach(chip => onPress(chip, () => choose(Number(chip.dataset.area))));
tools.forEach(button => onPress(button, () => { tool = button.dataset.tool; refresh(); }));
onPress(add, () => {
  added += 1;
  tool = 'paint';
  choose(added);
});
onPress(undo, undoStep);
onPress(clear, () => take({does: 'clear', area: active}));
onPress(clearAll, () => {
  [added, active, tool] = [1, 1, 'paint'];
  take({does: 'clear', area: null});
});
slider.addEventListener('input', () => {
  cursor = {x: 0.5, y: 0.5};
  draw();
});
slider.addEventListener('change', () => { cursor = null; draw(); });

new ResizeObserver(draw).observe(stage);

/* Gradio takes any quoted word of this file for an event of that name, so the names of the
   properties that Python sets must not stand here in quotes. */
watch(Object.keys({picture_id: 0}), show);
watch(Object.keys({value: 0}), () => {
  if (picture && (props.value || '') !== published) restore();
});
show();
