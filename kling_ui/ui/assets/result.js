/* The result in the browser: the player, the clocks, copying, and what it asks the server. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const ASKED_FOR_MS = 4000;
  const COPIED_FOR_MS = 1500;
  const LATE = 1.25;
  const isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const video = () => $('#video video');
  const shown = () => $('#result .k-result')?.dataset.generation ?? '';

  /* `ask` and `refreshRuns` are set by the components that Gradio lets trigger events. */
  const api = window.klingResult = {
    ask: () => {}, refreshRuns: () => {}, open, shown, video, page, link, copy, isCalm,
  };

  function open(id) {
    window.klingPlaces?.opening(id);
    api.ask({act: 'open', id});
  }

  /* -- clocks: the server says how old a generation was when it painted; time goes on from there */

  const painted = new WeakMap();
  function age(element, stamp) {
    /* Gradio patches markup in place: what was painted when is known by its words. */
    if (painted.get(element)?.stamp !== stamp) painted.set(element, {stamp, at: performance.now()});
    return (performance.now() - painted.get(element).at) / 1000;
  }
  const clock = seconds => {
    const whole = Math.max(0, Math.floor(seconds));
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = n => String(n).padStart(2, '0');
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };
  /* Nine tenths at the usual time, never full before the end. */
  const share = part => part <= 1 ? 0.9 * part : 0.9 + 0.08 * (1 - Math.exp(1 - part));
  function write(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function tick() {
    const card = $('#result .k-result[data-elapsed]');
    if (card) tickCard(card);
    document.querySelectorAll('#runs .k-left').forEach(left => {
      const run = left.closest('[data-open]');
      const stamp = [run.dataset.open, run.dataset.status, left.dataset.elapsed].join();
      const rest = Number(left.dataset.typical) - Number(left.dataset.elapsed) - age(left, stamp);
      write($('b', left), rest > 0 ? clock(rest) : 'soon');
    });
  }
  function tickCard(card) {
    const stamp = [card.dataset.generation, card.dataset.status, card.dataset.elapsed].join();
    const since = age(card, stamp);
    const elapsed = Number(card.dataset.elapsed) + (card.hasAttribute('data-ticking') ? since : 0);
    const typical = Number(card.dataset.typical); /* 0: nobody knows how long this takes */
    const usual = elapsed > LATE * typical
      ? ' · taking longer than usual' : ` of about ${clock(typical)}`;
    write($('[data-clock]', card), clock(elapsed) + (typical ? usual : ''));
    const bar = $('.k-bar[role]', card);
    if (!bar) return;
    const percent = 100 * share(elapsed / (typical || 1));
    bar.firstElementChild.style.width = `${percent.toFixed(1)}%`;
    bar.setAttribute('aria-valuenow', percent.toFixed(0));
  }

  /* -- the player: the browser's own controls, no motion where none is wanted */

  async function dress() {
    const player = video();
    const address = player?.getAttribute('src') ?? '';
    if (!address.endsWith('/video.mp4')) return;
    /* Gradio takes these away again when it paints. */
    if (!player.controls) player.controls = true;
    const isLooping = (player.dataset.loop ?? (isCalm() ? 'off' : 'on')) === 'on';
    if (player.loop !== isLooping) player.loop = isLooping;
    if (!player.playsInline) player.playsInline = true;
    if (player.dataset.dressed === address) return;
    player.dataset.dressed = address;
    player.muted = false;
    player.poster = address.replace(/video\.mp4$/, 'poster.jpg');
    player.setAttribute('aria-label', 'The video');
    $('#video .k-sound')?.remove();
    if (isCalm()) return;
    try {
      await player.play();
    } catch (refusal) {
      if (refusal.name === 'NotAllowedError') await playMuted(player);
    }
  }
  async function playMuted(player) {
    player.muted = true;
    try { await player.play(); } catch { return; }
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'k-sound';
    button.textContent = 'Tap for sound';
    button.addEventListener('click', () => { player.muted = false; });
    player.addEventListener('volumechange', () => button.remove(), {once: true});
    $('#video').append(button);
  }
  /* What can't be played is said, until it can be. */
  function tellBroken({type, target}) {
    if (target !== video()) return;
    $('#video .k-broken')?.remove();
    if (type !== 'error') return;
    const said = document.createElement('p');
    said.className = 'k-broken';
    said.setAttribute('role', 'status');
    said.innerHTML = '<strong>This video can’t be played</strong><span>Its file is gone or can’t be reached. Reload the page to try again.</span>';
    $('#video').append(said);
  }
  for (const type of ['error', 'loadeddata']) document.addEventListener(type, tellBroken, true);
  /* The box takes the ratio that was asked for, then the one that came. */
  function fit() {
    const player = video();
    const asked = $('#result .k-result')?.dataset.ratio;
    const ratio = player?.videoWidth ? player.videoWidth / player.videoHeight : Number(asked);
    if (ratio > 0) $('#stage')?.style.setProperty('--k-ratio', ratio.toFixed(4));
    const backdrop = $('#screen .k-backdrop');
    if (backdrop?.naturalWidth) {
      const natural = backdrop.naturalWidth / backdrop.naturalHeight;
      backdrop.parentElement.style.setProperty('--k-ratio', natural.toFixed(4));
    }
  }
  document.addEventListener('loadedmetadata', fit, true);
  document.addEventListener('load', fit, true);
  /* Gradio's own player plays and pauses at a click; so do the browser's controls. */
  window.addEventListener('click', event => {
    if (event.target === video()) event.stopImmediatePropagation();
  }, true);

  /* -- copying */

  async function toClipboard(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    /* Over plain http there is no clipboard but this one. */
    const box = document.createElement('textarea');
    box.value = text;
    box.style.position = 'fixed';
    document.body.append(box);
    box.select();
    const isDone = document.execCommand('copy');
    box.remove();
    if (!isDone) throw new Error('refused');
  }
  async function copy(text, button) {
    let said = 'Copied';
    try { await toClipboard(text); } catch { said = 'Could not copy'; }
    button.dataset.said = said;
    announce(said);
    setTimeout(() => { delete button.dataset.said; }, COPIED_FOR_MS);
  }
  function announce(text) {
    let live = $('#k-live');
    if (!live) {
      live = document.createElement('div');
      live.id = 'k-live';
      live.className = 'k-hidden';
      live.setAttribute('role', 'status');
      document.body.append(live);
    }
    live.textContent = text;
  }
  /* Where people reach the page: on a Space that is not the address of its frame. */
  function page() {
    const space = window.gradio_config?.space_id;
    return space ? `https://huggingface.co/spaces/${space}`
      : `${location.origin}${window.klingRoot()}/`;
  }
  function link(id) {
    return `${page()}?v=${id}`;
  }

  /* -- what a press does */

  function again(button) {
    if (!button.dataset.price || button.dataset.armed) {
      delete button.dataset.armed;
      button.disabled = true;
      setTimeout(() => { button.disabled = false; button.textContent = 'Run again'; }, ASKED_FOR_MS);
      api.ask({act: 'again', id: button.dataset.id});
      return;
    }
    button.dataset.armed = 'yes';
    button.textContent = `Run again · ${button.dataset.price}? Press again`;
    setTimeout(() => {
      if (!button.dataset.armed) return;
      delete button.dataset.armed;
      button.textContent = 'Run again';
    }, ASKED_FOR_MS);
  }
  function ask(button) {
    const {ask: act, id, at} = button.dataset;
    if (act === 'again') return again(button);
    const seconds = video()?.currentTime ?? 0;
    api.ask(at ? {act, id, at, seconds} : {act, id});
  }
  const acts = {
    more(button) {
      const prompt = button.closest('.k-prompt');
      const isOpen = prompt.toggleAttribute('data-open');
      button.textContent = isOpen ? 'less' : 'more';
      button.setAttribute('aria-expanded', String(isOpen));
    },
    large(button) {
      const small = $('img, video, audio', button);
      const kind = button.dataset.kind;
      const large = document.createElement(kind === 'image' ? 'img' : kind);
      large.src = small.src;
      if (kind === 'image') large.alt = button.title;
      else large.controls = true;
      const dialog = document.createElement('dialog');
      dialog.className = 'k-large';
      dialog.setAttribute('aria-label', button.title);
      dialog.append(large);
      dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
      dialog.addEventListener('close', () => dialog.remove());
      document.body.append(dialog);
      dialog.showModal();
    },
    link(button) { copy(link(shown()), button); },
    present() { window.klingPlaces.present(); },
  };
  document.addEventListener('click', event => {
    const target = event.target.closest?.('button, a, summary');
    document.querySelectorAll('.k-menu[open]').forEach(menu => {
      if (!menu.contains(event.target) || target?.matches('.k-menu > div *')) menu.open = false;
    });
    if (!target) return;
    if (target.dataset.copy !== undefined) copy(target.dataset.copy, target);
    else if (target.dataset.ask) ask(target);
    else if (target.dataset.act) acts[target.dataset.act]?.(target); /* others' buttons have theirs */
    else if (target.dataset.open && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open(target.dataset.open);
    }
  });
  document.addEventListener('keydown', event => {
    const menu = event.key === 'Escape' && $('.k-menu[open]');
    if (!menu) return;
    menu.open = false;
    $('summary', menu).focus();
    event.stopImmediatePropagation();
  }, true);

  /* -- this visit's runs: the counts, and the tab's title */

  let running = new Set();
  let isReady = false;
  function tell() {
    const strip = $('#runs .k-strip');
    if (!strip) return;
    const [count, total] = [Number(strip.dataset.running), Number(strip.dataset.total)];
    const runs = [...strip.querySelectorAll('[data-open]')];
    const isDone = run => run.dataset.status === 'completed' && running.has(run.dataset.open);
    if (document.hidden && runs.some(isDone)) isReady = true;
    const ended = new Set(['completed', 'failed', 'rejected', 'cancelled', 'abandoned']);
    running = new Set(runs.filter(run => !ended.has(run.dataset.status))
      .map(run => run.dataset.open));
    runs.forEach(run => run.toggleAttribute('aria-current', run.dataset.open === shown()));
    write($('#running'), count ? `${count} running` : '');
    const name = isReady ? '✓ Ready – Kling UI' : count ? `(${count}) Kling UI` : 'Kling UI';
    if (document.title !== name) document.title = name;
    document.documentElement.style.setProperty('--k-total', `"${total || ''}"`);
    document.documentElement.toggleAttribute('data-running', count > 0);
  }
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    isReady = false;
    /* Another tab may have begun something meanwhile. */
    api.refreshRuns();
    tell();
  });

  const paint = () => { tick(); dress(); fit(); tell(); };
  document.addEventListener('kling-painted', paint);
  setInterval(paint, 250);
})();
