/* What the page does by itself between two states from the server: tick, count, guard, copy. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const LOCK_AT_LEAST_MS = 1200;
  const LOCK_AT_MOST_MS = 20000;
  let lockedAt = 0;

  /* Clock and bar: the server says how old the generation was when it painted the card. */
  let painted = {stamp: '', at: 0};
  const clock = seconds => {
    const whole = Math.max(0, Math.floor(seconds));
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = n => String(n).padStart(2, '0');
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };
  /* Nine tenths at the usual time, never full before the end. */
  const share = part => part <= 1 ? 0.9 * part : 0.9 + 0.08 * (1 - Math.exp(1 - part));

  function tick() {
    const card = $('#status .k-card[data-elapsed]');
    if (!card) return;
    /* Gradio patches the card in place: what was painted when is known by its words, not by it. */
    const stamp = [card.dataset.generation, card.dataset.status, card.dataset.elapsed].join();
    if (painted.stamp !== stamp) painted = {stamp, at: performance.now()};
    const isTicking = card.hasAttribute('data-ticking');
    const since = isTicking ? (performance.now() - painted.at) / 1000 : 0;
    const elapsed = Number(card.dataset.elapsed) + since;
    const typical = Number(card.dataset.typical); /* 0: nobody knows how long this takes */
    const label = $('[data-clock]', card);
    if (label) {
      const isLate = elapsed > 1.25 * typical;
      const usual = isLate ? ' · taking longer than usual' : ` of about ${clock(typical)}`;
      const text = clock(elapsed) + (typical ? usual : '');
      if (label.textContent !== text) label.textContent = text;
    }
    const bar = $('.k-bar[role]', card);
    if (bar) {
      const percent = 100 * share(elapsed / (typical || 1));
      bar.firstElementChild.style.width = `${percent.toFixed(1)}%`;
      bar.setAttribute('aria-valuenow', percent.toFixed(0));
    }
  }

  /* The generation on the stage stands in the address, so that a reload shows it again. */
  function remember() {
    const id = $('#status .k-card[data-generation]')?.dataset.generation;
    const url = new URL(location.href);
    if (!id || url.searchParams.get('generation') === id) return;
    url.searchParams.set('generation', id);
    history.replaceState(history.state, '', url);
  }

  /* Addresses and times that only the browser knows how to write. */
  function localize() {
    const root = (window.gradio_config?.root ?? '').replace(/\/$/, '');
    document.querySelectorAll('[data-rooted]').forEach(element => {
      const name = element.hasAttribute('href') ? 'href' : 'src';
      const path = element.getAttribute(name);
      if (root && path.startsWith('/')) element.setAttribute(name, root + path);
      element.removeAttribute('data-rooted');
    });
    document.querySelectorAll('time[data-local]').forEach(element => {
      const format = {dateStyle: 'medium', timeStyle: 'short'};
      element.textContent = new Date(element.dateTime).toLocaleString(undefined, format);
      element.removeAttribute('data-local');
    });
  }

  function count() {
    document.querySelectorAll('[data-count-of]').forEach(counter => {
      const field = $(`#${counter.dataset.countOf} textarea`);
      if (!field) return;
      const [length, limit] = [[...field.value].length, Number(counter.dataset.limit)];
      const text = `${length.toLocaleString('en')} / ${limit.toLocaleString('en')}`;
      if (counter.textContent !== text) counter.textContent = text;
      counter.toggleAttribute('data-over', length > limit);
    });
  }

  /* One press is one task: the button is dead from the press until its request is answered. */
  function unlock() {
    const button = $('#generate');
    if (!lockedAt || !button) return;
    const age = performance.now() - lockedAt;
    const isSending = $('#status [data-sending]') !== null;
    if (age < LOCK_AT_LEAST_MS || (isSending && age < LOCK_AT_MOST_MS)) return;
    lockedAt = 0;
    button.removeAttribute('aria-disabled');
    lead();
  }
  /* After a press: to the field that is wrong, or on a narrow page to the stage. */
  function lead() {
    const wrong = $('#status [data-status=refused] [data-field]')?.dataset.field;
    const place = wrong ? $(`#${wrong === 'prompt' ? '' : 'param-'}${CSS.escape(wrong)}`) : null;
    if (place) {
      place.scrollIntoView({behavior: 'smooth', block: 'center'});
      $('textarea, input:not([type=file]), button', place)?.focus({preventScroll: true});
    } else if (matchMedia('(max-width: 820px)').matches) {
      $('#stage')?.scrollIntoView({behavior: 'smooth', block: 'start'});
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
    if (!button || button.offsetParent === null) return;
    event.preventDefault();
    event.stopPropagation();
    /* Gradio takes a field's text at its change: leave the field, then press. */
    document.activeElement?.dispatchEvent(new Event('change', {bubbles: true}));
    setTimeout(() => button.click(), 50);
  }, true);

  document.addEventListener('click', async event => {
    const button = event.target.closest?.('[data-copy]');
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = 'Copied';
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.previousElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  document.addEventListener('input', count, true);

  /* Gradio names each radio for itself; one name a group makes it one stop, and the arrows work. */
  function group() {
    document.querySelectorAll('.k-segments').forEach(segments => {
      const radios = segments.querySelectorAll('input[type=radio]');
      radios.forEach(radio => { if (radio.name !== radios[0].name) radio.name = radios[0].name; });
    });
  }

  /* What is written and chosen, over a reload. Storage may be denied: then nothing is kept. */
  const DRAFT = 'kling-ui-draft';
  window.klingDraft = {
    save(values) {
      try { sessionStorage.setItem(DRAFT, JSON.stringify(values)); } catch { /* denied or full */ }
    },
    load() {
      try { return sessionStorage.getItem(DRAFT) ?? ''; } catch { return ''; }
    },
  };

  /* A phone plays it in the page, and shows its first picture until it does. */
  function dress() {
    const video = $('#video video');
    const address = video?.getAttribute('src') ?? '';
    if (!address.endsWith('/video.mp4')) return;
    video.playsInline = true;
    const poster = address.replace(/video\.mp4$/, 'poster.jpg');
    if (video.getAttribute('poster') !== poster) video.poster = poster;
  }

  /* Over plain http the browser has neither camera nor clipboard to give: hide their buttons. */
  if (!window.isSecureContext) document.documentElement.classList.add('k-insecure');

  const refresh = () => { tick(); remember(); localize(); count(); unlock(); group(); };
  setInterval(refresh, 250);
  /* And at once where the server has painted, so that nothing flickers. Gradio may add this script
     when the document is there already, so no event of its loading is waited for. */
  new MutationObserver(() => { tick(); localize(); dress(); }).observe(
    document.documentElement,
    {childList: true, subtree: true, attributes: true, attributeFilter: ['src']});
})();
