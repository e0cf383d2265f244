/* A combobox with a list of rows. Gradio runs this once for each time the control is mounted and
   hands in element, props, watch and trigger. */
'use strict';
const part = name => element.querySelector(`[data-part="${name}"]`);
const [root, label, input, detail, list] =
  ['root', 'label', 'input', 'detail', 'list'].map(part);
const box = input.parentElement;
const id = `${element.closest('[id]')?.id ?? 'picker'}-${Math.random().toString(36).slice(2, 8)}`;
[input.id, list.id] = [`${id}-input`, `${id}-list`];
label.htmlFor = input.id;
input.setAttribute('aria-controls', list.id);
let active = -1;
let rows = [];

const options = () => props.options ?? [];
const chosen = () => options().find(each => each.value === props.value);
const isOpen = () => !list.hidden;

function show() {
  const option = chosen();
  label.textContent = list.ariaLabel = props.name ?? '';
  input.readOnly = !props.is_searchable || options().length < 2;
  if (!isOpen()) input.value = option?.label ?? '';
  input.placeholder = option ? '' : props.hint ?? '';
  detail.textContent = option?.detail ?? '';
  detail.hidden = !detail.textContent;
  root.toggleAttribute('data-single', options().length < 2);
  if (isOpen()) fill();
}

function fill() {
  const words = input.readOnly || input.value === chosen()?.label ? '' : input.value.toLowerCase().trim();
  list.replaceChildren();
  rows = [];
  let group = '';
  for (const option of options()) {
    const text = `${option.label} ${option.group} ${option.mark}`.toLowerCase();
    if (!words.split(' ').every(word => text.includes(word))) continue;
    if (option.group && option.group !== group) {
      list.append(made('li', 'k-picker-group', option.group, {role: 'presentation'}));
    }
    group = option.group;
    const row = made('li', 'k-picker-row', '', {
      role: 'option', id: `${id}-${rows.length}`, 'aria-label': option.label,
      'aria-selected': String(option.value === props.value)});
    const head = made('span', 'k-picker-name', option.label);
    if (option.mark) head.append(made('b', 'k-picker-mark', option.mark));
    row.append(head);
    if (option.detail) row.append(made('small', '', option.detail));
    row.setAttribute('aria-description', [option.mark, option.detail].filter(Boolean).join(', '));
    row.addEventListener('pointerdown', event => { event.preventDefault(); });
    row.addEventListener('click', () => choose(option));
    list.append(row);
    rows.push({row, option});
  }
  if (!rows.length) list.append(made('li', 'k-picker-group', 'Nothing found', {role: 'presentation'}));
  point(Math.max(words ? 0 : rows.findIndex(each => each.option.value === props.value), 0));
}

function made(tag, name, text, attributes = {}) {
  const node = Object.assign(document.createElement(tag), {className: name, textContent: text});
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  return node;
}

function point(index) {
  rows[active]?.row.removeAttribute('data-active');
  active = rows.length ? Math.min(Math.max(index, 0), rows.length - 1) : -1;
  const row = rows[active]?.row;
  row?.setAttribute('data-active', '');
  row?.scrollIntoView({block: 'nearest'});
  if (row) input.setAttribute('aria-activedescendant', row.id);
  else input.removeAttribute('aria-activedescendant');
}

function open() {
  if (isOpen() || options().length < 2) return;
  list.hidden = false;
  input.setAttribute('aria-expanded', 'true');
  if (!input.readOnly) input.select();
  fill();
}

function close() {
  list.hidden = true;
  input.setAttribute('aria-expanded', 'false');
  input.removeAttribute('aria-activedescendant');
  show();
}

function choose(option) {
  const isNew = option.value !== props.value;
  if (isNew) props.value = option.value;
  close();
  if (isNew) trigger('input');
}

box.addEventListener('mousedown', event => {
  if (isOpen() && input.readOnly) { event.preventDefault(); close(); return; }
  if (event.target !== input) { event.preventDefault(); input.focus(); }
  open();
});
input.addEventListener('input', () => { open(); fill(); });
input.addEventListener('blur', close);
input.addEventListener('keydown', event => {
  const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8};
  if (event.key in steps) {
    event.preventDefault();
    if (!isOpen()) open();
    else point(active + steps[event.key]);
  } else if (event.key === 'Enter' && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    if (!isOpen()) open();
    else if (rows[active]) choose(rows[active].option);
  } else if (event.key === 'Escape' && isOpen()) {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (event.key === ' ' && input.readOnly) {
    event.preventDefault();
    open();
  }
});
watch(Object.keys({value: 0}), show);
watch(Object.keys({options: 0}), show);
watch(Object.keys({name: 0}), show);
show();
