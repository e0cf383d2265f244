/* A set on the stage, or alone: asks how it is, replaces only the cells that have changed, plays
   them. `?set=ID` shows it alone, `?set=ID&edit` beside the form. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  const result = window.klingResult;
  const POLL_MS = 1500;
  const RESTING_MS = 8000;  /* nothing runs, but another tab may change it */
  const ANSWER_MS = 10000;  /* an answer that late was lost */
  const ARMED_MS = 4000;
  const TOLD_MS = 8000;

  let view, ask;
  let shown = '';     /* the id of the set that the page shows */
  let number = 0;     /* of the question whose answer counts */
  let askedAt = 0;    /* 0: nothing is awaited */
  let drawnAt = 0;
  let facts = {};     /* what the server told of the set beside its cells */
  let drawn = new Map();
  let skew = 0;       /* the server's clock minus this one, ms */
  let isPlaying = false;
  let wasAlone = false;
  let large = '';     /* the id of the one that is shown large */
  let untold;

  const asked = () => new URL(location.href).searchParams;
  const isAlone = () => shown !== '' && !asked().has('edit') && asked().get('tab') !== 'history';

  function connect(element, trigger, props, watch) {
    view = $('.k-set', element);
    ask = trigger;
    watch('value', () => answer(props.value));
    view.addEventListener('click', press, true);
    view.addEventListener('change', rename);
    view.addEventListener('pointerover', preview);
    const [name, shownNow] = [$('.k-set-name', view), shown];
    name.addEventListener('keydown', event => {
      if (event.key === 'Enter') name.blur();
    });
    shown = '';
    show(shownNow || asked().get('set') || '');
  }

  /* -- which set */

  function show(id) {
    if (id !== shown) {
      shown = id;
      facts = {};
      drawn = new Map();
      small();
      playing(false);
      number += 1;
      if (view) {
        $('.k-set-body', view).replaceChildren();
        $('.k-set-body', view).setAttribute('aria-busy', 'true');
        $('.k-set-facts', view).textContent = '';
        $('.k-set-name', view).value = '';
      }
      if (id) load();
    }
    dress();
  }
  function dress() {
    root.classList.toggle('k-has-set', shown !== '');
    root.classList.toggle('k-set-alone', isAlone());
    if (!view) return;
    view.hidden = shown === '';
    if (shown) result.video()?.pause();
    if (isAlone() !== wasAlone) {
      wasAlone = isAlone();
      small();
      playing(wasAlone && !result.isCalm());
    }
    nameIt();
  }
  function open(id) {
    show(id);
    window.klingPlaces.toSet();
    dress();
  }

  /* -- asking and drawing */

  function question(more = {}) {
    number += 1;
    askedAt = performance.now();
    return {id: shown, asked: String(number), ...more};
  }
  function load() {
    if (ask && shown) ask('select', question({stamp: facts.stamp ?? ''}));
  }
  function poll() {
    if (!view || !shown || document.hidden || !view.offsetParent && !isAlone()) return;
    const now = performance.now();
    if (askedAt ? now - askedAt > ANSWER_MS : now - drawnAt > (facts.pending ? POLL_MS : RESTING_MS)) load();
  }
  function answer(html) {
    const holder = document.createElement('template');
    holder.innerHTML = html ?? '';
    window.klingLocalize(holder.content);
    const given = holder.content.firstElementChild;
    if (!given || given.dataset.asked !== String(number)) return;
    askedAt = 0;
    drawnAt = performance.now();
    if (given.dataset.now) skew = Date.parse(given.dataset.now) - Date.now();
    if (given.dataset.kind === 'told') return say(given.textContent);
    if (given.dataset.kind === 'same') return;
    const body = $('.k-set-body', view);
    body.removeAttribute('aria-busy');
    view.toggleAttribute('data-missing', given.dataset.kind === 'missing');
    if (given.dataset.kind === 'missing') return body.replaceChildren(...given.children);
    if (given.dataset.told) say(given.dataset.told);
    const isSameShape = facts.shape === given.dataset.shape && facts.id === given.dataset.id;
    facts = {...given.dataset};
    if (!isSameShape) {
      drawn = new Map(all('.k-set-cell', given).map((cell, i) => [i, cell.outerHTML]));
      body.replaceChildren(...given.children);
    } else patch(body, given);
    head();
    tick();
    if (isPlaying) playing(true);
  }
  /* What is as it was stays the element that it is: it may be playing, or have the focus. */
  function patch(body, given) {
    const old = all('.k-set-cell', body);
    all('.k-set-cell', given).forEach((cell, i) => {
      const html = cell.outerHTML;
      if (drawn.get(i) === html) return;
      drawn.set(i, html);
      const hadFocus = old[i].contains(document.activeElement);
      old[i].replaceWith(cell);
      if (hadFocus) $('a', cell).focus({preventScroll: true});
    });
  }
  function head() {
    write($('.k-set-facts', view), facts.facts);
    nameIt();
    const base = window.klingRoot();
    $('[data-set-do=zip]', view).href = base + facts.zip;
    const send = $('[data-set-do=resume_set]', view);
    send.hidden = !facts.mine || !facts.asking;
    if (!send.dataset.armed) {
      write(send, ['Send', facts.asking === '1' ? 'one' : 'the rest', '·', facts.asking].join(' ')
        + (facts.askingUsd ? ` · ${facts.askingUsd}` : ''));
    }
    const withdraw = $('[data-set-do=cancel_set]', view);
    withdraw.hidden = !facts.mine || !facts.waiting;
    write(withdraw, `Withdraw the rest · ${facts.waiting}`);
    all('[data-set-do=together]', view).forEach(button => { button.disabled = together(button).length < 2; });
  }
  function nameIt() {
    const name = $('.k-set-name', view);
    const isFixed = !facts.mine || isAlone();
    name.readOnly = isFixed;
    name.tabIndex = isFixed ? -1 : 0;
    name.placeholder = facts.title || 'Name this set';
    if (document.activeElement !== name) name.value = isFixed ? facts.title ?? '' : facts.name ?? '';
  }
  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  function say(text) {
    const place = $('.k-set-told', view);
    place.textContent = text;
    clearTimeout(untold);
    untold = setTimeout(() => { place.textContent = ''; }, TOLD_MS);
  }
  function tick() {
    if (view && shown) all('.k-set-cell small[data-begun]', view).forEach(left => {
      const since = (Date.now() + skew - Date.parse(left.dataset.begun)) / 1000;
      const rest = Math.ceil(Number(left.dataset.typical) - since);
      const text = rest > 0 ? `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, '0')} left` : 'soon';
      if (!left.firstChild) left.append('');
      if (left.firstChild.data !== text) left.firstChild.data = text;
    });
  }

  /* -- playing: all muted in the grid, one large */

  const films = () => all('.k-set-cell[data-status=completed]', view);
  const film = cell => $('img', cell)?.getAttribute('src').replace(/poster\.jpg$/, 'video.mp4');
  function playIn(cell) {
    const picture = $('.k-set-picture', cell);
    if ($('video', picture) || !film(cell)) return;
    const video = document.createElement('video');
    Object.assign(video, {muted: true, loop: true, playsInline: true, src: film(cell)});
    picture.append(video);
    video.play().catch(() => video.remove());
  }
  function playing(isOn) {
    isPlaying = isOn;
    if (!view) return;
    const button = $('[data-set-do=play]', view);
    write(button, isOn ? 'Stop' : 'Play all');
    button.setAttribute('aria-pressed', String(isOn));
    if (isOn) films().forEach(playIn);
    else all('.k-set-picture video', view).forEach(video => video.remove());
  }
  function preview(event) {
    const cell = event.target.closest?.('.k-set-cell[data-status=completed]');
    if (!cell || isPlaying || event.pointerType !== 'mouse' || result.isCalm()) return;
    playIn(cell);
    cell.addEventListener('pointerleave', () => {
      if (!isPlaying) $('video', cell)?.remove();
    }, {once: true});
  }
  function enlarge(cell) {
    if (!cell || !film(cell)) return;
    large = cell.dataset.id;
    all('.k-set-picture video', view).forEach(video => video.pause());
    const sheet = $('.k-set-large', view);
    const video = $('video', sheet);
    sheet.hidden = false;
    behind(true);
    video.src = film(cell);
    video.muted = false;
    write($('.k-set-caption', sheet), cell.dataset.caption);
    video.play().catch(() => {
      video.muted = true;
      video.play().catch(() => {});
    });
    sheet.focus({preventScroll: true});
  }
  function small() {
    if (!large) return;
    const sheet = $('.k-set-large', view);
    sheet.hidden = true;
    behind(false);
    $('video', sheet).pause();
    $(`.k-set-cell[data-id="${large}"] a`, view)?.focus({preventScroll: true});
    large = '';
    all('.k-set-picture video', view).forEach(video => video.play().catch(() => {}));
  }
  const behind = isBehind => all('.k-set-bar, .k-set-body', view).forEach(each => { each.inert = isBehind; });
  function step(by) {
    const list = films();
    const at = list.findIndex(cell => cell.dataset.id === large);
    const next = at < 0 ? (by > 0 ? 0 : list.length - 1) : (at + by + list.length) % list.length;
    enlarge(list[next]);
  }
  function captions() {
    const isOff = view.toggleAttribute('data-bare');
    $('[data-set-do=captions]', view).setAttribute('aria-pressed', String(!isOff));
  }
  function together({dataset}) {
    const place = dataset.kind === 'row' ? `[data-row="${dataset.number}"]` : `td[data-column="${dataset.number}"]`;
    return all(`${place} .k-set-cell[data-status=completed]`, view).map(cell => cell.dataset.id).slice(0, 4);
  }

  /* -- pressing */

  const change = (act, more = {}) => ask('input', question({act, ...more}));
  /* What costs is pressed twice: the first press says how much. */
  function armed(button, price, words, act) {
    if (!price || button.dataset.armed) {
      delete button.dataset.armed;
      button.disabled = true;
      setTimeout(() => { button.disabled = false; }, ARMED_MS);
      return act();
    }
    button.dataset.armed = 'yes';
    button.textContent = `${words} · ${price}? Press again`;
    setTimeout(() => {
      if (!button.dataset.armed) return;
      delete button.dataset.armed;
      button.textContent = words;
    }, ARMED_MS);
  }
  const acts = {
    play: () => playing(!isPlaying),
    captions,
    present: () => { window.klingPlaces.present(); dress(); },
    link: button => result.copy(`${result.page()}?set=${shown}`, button),
    close: leave,
    earlier: () => step(-1),
    later: () => step(1),
    small,
    together: button => window.klingCompare.open(together(button)),
    cancel: button => change('cancel', {generation: button.dataset.id}),
    send: button => change('send', {generation: button.dataset.id}),
    cancel_set: () => change('cancel_set'),
    resume_set: button => armed(button, facts.askingUsd, `Send ${facts.asking}`, () => change('resume_set')),
    retry: button => armed(button, button.dataset.price, 'Try again', () => {
      const usd = button.dataset.usd ? {max_usd: Number(button.dataset.usd)} : {};
      ask('submit', question({generation: button.dataset.id, ...usd}));
    }),
  };
  function press(event) {
    const button = event.target.closest('[data-set-do]');
    if (button && acts[button.dataset.setDo]) return acts[button.dataset.setDo](button);
    const cell = event.target.closest('.k-set-picture');
    if (!cell || !isAlone() || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    enlarge(cell.closest('.k-set-cell'));
  }
  function rename({target}) {
    if (target.matches('.k-set-name') && !target.readOnly) change('rename', {name: target.value});
  }
  function leave() {
    if (isAlone()) {
      window.klingPlaces.toSet();
      return dress();
    }
    close();
    window.klingPlaces.toForm();
  }
  function close() {
    show('');
  }
  async function fill() {
    if (document.fullscreenElement) return document.exitFullscreen();
    return root.requestFullscreen?.();
  }
  const keys = {
    arrowright: () => step(1),
    arrowleft: () => step(-1),
    escape: () => { if (large) small(); else leave(); },
    c: captions,
    p: () => { small(); playing(!isPlaying); },
    f: fill,
    ' ': () => {
      const video = $('.k-set-large video', view);
      if (!large) playing(!isPlaying);
      else if (video.paused) video.play();
      else video.pause();
    },
  };
  document.addEventListener('click', event => {
    const link = event.target.closest?.('[data-set-open]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link.dataset.setOpen);
  });
  document.addEventListener('keydown', event => {
    if (!view || !isAlone() || event.ctrlKey || event.metaKey || event.altKey) return;
    if ($('dialog[open]')) return;
    const name = event.key.toLowerCase();
    if (name === ' ' && event.target.matches?.('button:focus-visible, a:focus-visible')) return;
    if (!keys[name]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[name]();
  }, true);

  setInterval(() => { tick(); poll(); }, 300);
  document.addEventListener('visibilitychange', poll);
  window.klingSets = {connect, open, close, shown: () => shown, follow: () => show(asked().get('set') ?? '')};
  shown = asked().get('set') ?? '';
  dress();
})();
