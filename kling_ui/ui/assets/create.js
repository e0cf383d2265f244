/* What the composer does by itself between two answers from the server. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const TYPING_PAUSE_MS = 120;
  const ASKING_MS = 4000;
  const LOCK_AT_LEAST_MS = 1200;
  const LOCK_AT_MOST_MS = 20000;
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
  if (isMac) document.documentElement.classList.add('k-mac');

  const placeOf = name =>
    $(name === 'prompt' || name === 'model' ? `#${name}` : `#param-${CSS.escape(name)}`) ??
    $(`#param-${CSS.escape(name)}-wells`);
  const nameOf = node => {
    const id = node.closest?.('#prompt, #model, [id^="param-"]')?.id ?? '';
    return id.replace(/^param-/, '').replace(/-(wells|pair)$/, '');
  };

  /* Messages at the fields: there until the field changes. */
  let [saidOn, problems] = ['', {}];
  function readProblems() {
    const line = $('#problems [data-problems]');
    const stamp = line?.dataset.problems ?? '';
    if (stamp === saidOn) return;
    saidOn = stamp;
    $$('.k-error').forEach(each => each.remove());
    $$('[data-k-wrong]').forEach(each => {
      each.removeAttribute('data-k-wrong');
      $$('[aria-invalid]', each).forEach(field => field.removeAttribute('aria-invalid'));
    });
    problems = stamp ? JSON.parse(stamp) : {};
    Object.entries(problems).forEach(([name, text]) => sayAt(name, text));
    const first = Object.keys(problems)[0];
    if (first) lead(first);
  }
  function sayAt(name, text) {
    const place = placeOf(name);
    if (!place) return;
    const said = document.createElement('p');
    Object.assign(said, {className: 'k-error', id: `k-error-${name}`, textContent: text});
    place.append(said);
    place.setAttribute('data-k-wrong', '');
    const field = control(place);
    field?.setAttribute('aria-invalid', 'true');
    field?.setAttribute('aria-describedby', said.id);
  }
  function mended(name) {
    if (!(name in problems)) return;
    delete problems[name];
    const place = placeOf(name);
    $('.k-error', place)?.remove();
    place?.removeAttribute('data-k-wrong');
    const field = $('[aria-invalid]', place ?? document);
    field?.removeAttribute('aria-invalid');
    field?.removeAttribute('aria-describedby');
    const line = $('#problems [data-problems]');
    if (!line) return;
    const left = Object.keys(problems);
    line.hidden = left.length === 0;
    const links = $$('a', line).filter(link => link.dataset.fix !== name);
    $('span', line).replaceChildren(...links.flatMap((link, i) => i ? [', ', link] : [link]));
    $('b', line).textContent = left.length === 1 ? '1 thing to fix:' : `${left.length} things to fix:`;
  }
  const control = place => $('textarea, input:not([type=file]):not([type=range]), button', place);
  function lead(name) {
    const place = placeOf(name);
    if (!place) return;
    const fold = place.closest('#advanced');
    if (fold && place.offsetParent === null) $('button', fold)?.click();
    place.scrollIntoView({behavior: smooth(), block: 'center'});
    control(place)?.focus({preventScroll: true});
  }
  const smooth = () => matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';

  /* Hints that the server has worked out: prices at choices, doubts, what the shots set. */
  let hintsOn = null;
  function readHints() {
    const stamp = $('#price [data-hints]')?.dataset.hints;
    if (!stamp) return;
    const hints = JSON.parse(stamp);
    if (stamp !== hintsOn) {
      hintsOn = stamp;
      window.klingDraft.save(hints.draft);
      $$('.k-doubt').forEach(each => each.remove());
      Object.entries(hints.doubts).forEach(([name, text]) => {
        const place = placeOf(name);
        if (place) place.append(Object.assign(document.createElement('p'), {className: 'k-doubt', textContent: text}));
      });
    }
    $$('[data-k-price]').forEach(each => {
      const [name, value] = [nameOf(each), $('input[type=radio]', each)?.value ?? ''];
      if (!hints.prices[name]?.[value]) each.removeAttribute('data-k-price');
    });
    for (const [name, prices] of Object.entries(hints.prices)) {
      const place = placeOf(name);
      for (const [value, price] of Object.entries(prices)) {
        const label = value === '' ? $('label', place ?? document.createElement('i')) :
          $(`input[type=radio][value="${CSS.escape(value)}"]`, place ?? document)?.closest('label');
        if (label && place) set(label, 'data-k-price', price);
      }
    }
    const length = $('#param-duration.k-slider') ?? $('#param-duration');
    if (length) set(length, 'data-k-fixed', hints.fixed_length);
    const badge = $('#badge');
    if (badge) set(badge, 'data-balance', hints.balance);
    const advanced = $('#advanced > button');
    if (advanced) set(advanced, 'data-k-count', hints.advanced ? `${hints.advanced} set` : '');
    const examples = $('#examples');
    if (examples) examples.classList.toggle('k-gone', !hints.is_empty);
  }
  function set(node, name, value) {
    if ((node.getAttribute(name) ?? '') === value) return;
    if (value) node.setAttribute(name, value);
    else node.removeAttribute(name);
  }

  /* A second press before much is spent: the question stands on the button for four seconds. */
  let [askedOn, askedAt] = ['', 0];
  function readQuestion() {
    const asks = $('#problems [data-asking]');
    const button = $('#generate');
    if (!button) return;
    if (asks && asks.dataset.asking !== askedOn) {
      [askedOn, askedAt] = [asks.dataset.asking, performance.now()];
      button.dataset.asking = asks.textContent;
      button.setAttribute('aria-label', asks.textContent);
      setTimeout(refresh, ASKING_MS + 20);
    }
    if (button.dataset.asking && (!asks || performance.now() - askedAt > ASKING_MS)) noQuestion();
  }
  function noQuestion() {
    const button = $('#generate');
    button?.removeAttribute('aria-label');
    if (button) delete button.dataset.asking;
    $('#problems [data-asking]')?.setAttribute('hidden', '');
  }

  /* One press is one task: the button is dead from the press until its request is answered. */
  let lockedAt = 0;
  function unlock() {
    const button = $('#generate');
    if (!lockedAt || !button) return;
    const age = performance.now() - lockedAt;
    const isSending = $('#status [data-sending]') !== null;
    if (age < LOCK_AT_LEAST_MS || (isSending && age < LOCK_AT_MOST_MS)) return;
    lockedAt = 0;
    button.removeAttribute('aria-disabled');
    const isWaiting = button.dataset.asking || Object.keys(problems).length;
    if (!isWaiting && matchMedia('(max-width: 767px)').matches) {
      $('#stage')?.scrollIntoView({behavior: smooth(), block: 'start'});
    }
  }
  document.addEventListener('click', event => {
    const button = event.target.closest?.('#generate');
    if (!button) return;
    if (lockedAt) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    lockedAt = performance.now();
    button.setAttribute('aria-disabled', 'true');
  }, true);
  document.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    const button = $('#generate');
    if (!button || button.offsetParent === null || $('dialog[open]')) return;
    event.preventDefault();
    event.stopPropagation();
    /* Gradio takes a field's text at its change: leave the field, then press. */
    document.activeElement?.dispatchEvent(new Event('change', {bubbles: true}));
    setTimeout(() => button.click(), 50);
  }, true);

  /* A change of a field ends its message and the question; typing is told once it pauses. */
  let typing = 0;
  const tell = () => document.dispatchEvent(new Event('k-typed'));
  function changed(event) {
    const target = event.target;
    if (!target.closest?.('#composer') || !(event.isTrusted || event.type === 'input')) return;
    mended(nameOf(target));
    if ($('#generate')?.dataset.asking && !target.closest('#launch')) noQuestion();
    if (event.type !== 'input' || !target.matches('textarea, input[type=text]')) return;
    if (target.matches('#prompt textarea, #param-negative_prompt textarea')) {
      window.klingDraft.type(nameOf(target), target.value);
    }
    clearTimeout(typing);
    typing = setTimeout(tell, TYPING_PAUSE_MS);
  }
  for (const kind of ['input', 'change', 'drop', 'paste']) document.addEventListener(kind, changed, true);
  document.addEventListener('click', event => {
    const card = event.target.closest?.('[data-start]');
    if (card) {
      window.klingStart?.(card.dataset.start);
      window.klingPlaces?.toForm();
    }
    const link = event.target.closest?.('[data-fix]');
    if (link) {
      event.preventDefault();
      lead(link.dataset.fix);
    }
    event.target.closest?.('[data-dismiss]')?.closest('p')?.remove();
    const button = event.target.closest?.('#composer button');
    if (button && !button.closest('#launch') && nameOf(button)) mended(nameOf(button));
  });

  /* What is written, chosen and given, over a reload: the tab's own, a new tab begins with the
     newest. Storage may be denied or full: then nothing is kept. */
  const [DRAFT, MODELS] = ['kling-ui-draft', 'kling-ui-models'];
  let early = '';
  window.klingDraft = {
    save(draft) {
      const text = JSON.stringify(draft);
      try {
        sessionStorage.setItem(DRAFT, text);
        localStorage.setItem(DRAFT, text);
      } catch { /* denied or full */ }
    },
    load() {
      try {
        return sessionStorage.getItem(DRAFT) ?? localStorage.getItem(DRAFT) ?? '';
      } catch { return ''; }
    },
    /* A prompt that was written before the form was restored. */
    retype() {
      const [field, text] = [$('#prompt textarea'), early];
      early = null;
      if (!field || !text || field.value === text) return;
      field.value = text;
      field.dispatchEvent(new Event('input', {bubbles: true}));
    },
    /* At once: the rest is told by the server, a moment after. */
    type(name, text) {
      if (early !== null && name === 'prompt') early = text;
      try {
        const draft = JSON.parse(this.load() || '{}');
        if (draft.values) this.save({...draft, values: {...draft.values, [name]: text}});
      } catch { /* not JSON */ }
    },
  };
  window.klingModels = {
    save(task, model) {
      try {
        const models = JSON.parse(localStorage.getItem(MODELS) || '{}');
        localStorage.setItem(MODELS, JSON.stringify({...models, [task]: model}));
      } catch { /* denied or full */ }
    },
    load() {
      try { return localStorage.getItem(MODELS) ?? ''; } catch { return ''; }
    },
  };

  /* Names that Gradio leaves out: of groups of choices, and of what a well takes. */
  function name() {
    for (const group of $$('#composer .k-segments, #task, #words-switch, #control-switch')) {
      const wrap = $('.wrap', group);
      if (!wrap || wrap.hasAttribute('role')) continue;
      wrap.setAttribute('role', 'radiogroup');
      const title = $('[data-testid="block-info"]', group)?.textContent.trim();
      wrap.setAttribute('aria-label', title || {task: 'Task', 'words-switch': 'Prompt or storyboard',
        'control-switch': 'Control'}[group.id] || 'Choice');
    }
  }

  function refresh() {
    readProblems();
    readHints();
    readQuestion();
    unlock();
    name();
  }
  setInterval(refresh, 250);
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => { readProblems(); readHints(); readQuestion(); }).observe(
      document.body, {childList: true, subtree: true});
  });
})();
