/* Compare: two to four results on one clock, over the page. `?compare=A,B` opens it; the rest of
   the address is the place that Back leads to. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const result = window.klingResult;
  const MOST = 4;
  const LETTERS = 'ABCD';
  const ANSWER_MS = 8000; /* an answer that late was lost */
  const PENDING_MS = 4000;
  const TOLD_MS = 4000;

  /* -- the view */

  let dialog, view, ask;
  let ids = [];
  let number = 0;       /* of the question whose answer is shown */
  let isPrevious = false; /* the question was for the one before a result */
  let drawn = [];       /* the slots as the server sent them */
  let late, again, untold;
  let scrolledTo = 0;
  const clock = window.klingClock(show);

  function connect(element, trigger, props, watch) {
    const sheet = element.closest('#compare') ?? element;
    dialog?.remove();
    dialog = document.createElement('dialog');
    dialog.id = 'compare-view';
    dialog.setAttribute('aria-labelledby', 'compare-title');
    (document.querySelector('.gradio-container') ?? document.body).append(dialog);
    dialog.append(sheet);
    view = $('.k-compare', sheet);
    view.hidden = false;
    $('[data-do=full]', view).hidden = !document.fullscreenEnabled;
    ask = trigger;
    watch('value', () => answer(props.value));
    dialog.addEventListener('click', press);
    dialog.addEventListener('input', drag);
    dialog.addEventListener('change', () => clock.endScrub());
    dialog.addEventListener('cancel', event => { event.preventDefault(); escape(); });
    /* A browser may close a dialog without asking. */
    dialog.addEventListener('close', () => { if (asked().length) leave(); });
    follow();
  }

  function open(wanted) {
    const given = wanted.slice(0, MOST);
    if (given.length === 1) return result.open(given[0]);
    if (given.join() === asked().join()) return;
    history.pushState({...history.state, klingCompare: true}, '', address(given));
    window.klingPlaces.tellHost();
    follow();
  }
  function asked() {
    const given = new URL(location.href).searchParams.get('compare') ?? '';
    return [...new Set(given.split(',').map(id => id.trim()).filter(Boolean))].slice(0, MOST);
  }
  /* By hand: URLSearchParams would write the comma as %2C. */
  function address(given) {
    const url = new URL(location.href);
    const rest = url.search.slice(1).split('&').filter(part => part && !part.startsWith('compare='));
    const query = [...rest, ...(given.length ? [`compare=${given.join(',')}`] : [])].join('&');
    return `${url.pathname}${query ? `?${query}` : ''}${url.hash}`;
  }
  /* Show what the address asks for. */
  function follow() {
    if (!dialog) return;
    const wanted = asked();
    if (wanted.length < 2) return close();
    if (dialog.open && wanted.join() === ids.join()) return;
    ids = wanted;
    if (!dialog.open) {
      scrolledTo = scrollY;
      result.video()?.pause();
      dialog.showModal();
    }
    empty();
    look('all');
    load();
  }
  function leave() {
    if (history.state?.klingCompare) return history.back();
    history.replaceState(history.state, '', address([]));
    window.klingPlaces.tellHost();
    close();
  }
  function close() {
    if (!dialog?.open) return;
    number += 1;
    [late, again].forEach(clearTimeout);
    if (document.fullscreenElement) document.exitFullscreen();
    clock.stop();
    dialog.close();
    empty();
    ids = [];
    requestAnimationFrame(() => scrollTo({top: scrolledTo, behavior: 'instant'}));
  }
  function escape() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (view.dataset.view !== 'all') look('all');
    else leave();
  }
  function empty() {
    drawn = [];
    clock.stop();
    const slots = $('.k-slots', view);
    slots.setAttribute('aria-busy', 'true');
    slots.replaceChildren(...ids.map(() => document.createElement('i')));
    slots.dataset.count = ids.length;
    $('.k-differs', view).replaceChildren();
  }

  function load(question = {ids}) {
    number += 1;
    isPrevious = 'previous' in question;
    [late, again].forEach(clearTimeout);
    ask('select', {...question, asked: String(number)});
    late = setTimeout(() => { if (dialog.open) load(); }, ANSWER_MS);
  }
  function answer(markup) {
    const holder = document.createElement('template');
    holder.innerHTML = markup ?? '';
    const given = holder.content.firstElementChild;
    if (!given) return;
    const {kind, asked: question, star} = given.dataset;
    if (kind === 'told' && star) {
      const button = all('[data-do=star]', view).find(each => each.closest('.k-slot').dataset.id === star);
      if (button) turn(button, button.getAttribute('aria-pressed') !== 'true');
      return say(given.textContent);
    }
    if (question !== String(number)) return;
    clearTimeout(late);
    if (kind === 'told') {
      if (dialog.open) again = setTimeout(load, PENDING_MS);
      return say(given.textContent);
    }
    if (isPrevious) return open(given.dataset.ids.split(','));
    if (!dialog.open) return;
    if (given.dataset.pending) again = setTimeout(load, PENDING_MS);
    draw(given);
  }
  function draw(given) {
    window.klingLocalize(given);
    const isFirst = drawn.length === 0;
    const slots = $('.k-slots', view);
    const fresh = all('.k-slot', given);
    const words = fresh.map(slot => slot.outerHTML.replace(/aria-pressed="\w+"/g, ''));
    if (words.join() !== drawn.join()) {
      const old = [...slots.children];
      slots.replaceChildren(...fresh.map((slot, i) => words[i] === drawn[i] ? old[i] : slot));
      drawn = words;
    }
    slots.removeAttribute('aria-busy');
    slots.toggleAttribute('data-tall', given.dataset.tall === '1');
    slots.dataset.count = fresh.length;
    $('.k-differs', view).replaceChildren(...all(':scope > :not(.k-slot)', given));
    const videos = all('video', slots);
    videos.forEach(video => {
      video.poster = video.dataset.poster;
      const silent = $('[data-do=sound]', video.closest('.k-slot')).disabled;
      video.dataset.sound = silent ? 'none' : 'some';
      video.addEventListener('error', () => broken(video), {once: true});
    });
    views(fresh.length, videos.length);
    clock.take(videos);
    if (isFirst && videos.length && !result.isCalm()) clock.play();
  }
  function broken(video) {
    const said = document.createElement('p');
    said.innerHTML = '<strong>This video can’t be played</strong><span>Its file is gone or can’t be reached.</span>';
    $('[data-do=sound]', video.closest('.k-slot')).remove();
    video.replaceWith(said);
    const videos = all('.k-slots video', view);
    views(drawn.length, videos.length);
    clock.take(videos);
  }

  /* -- what is shown: all, a large one, two in one place */

  function views(count, playable) {
    $('.k-wipe', view)?.remove();
    const names = [['all', 'All'], ...[...LETTERS.slice(0, count)].map((letter, i) => [String(i), letter])];
    if (count === 2 && playable === 2) {
      names.push(['wipe', 'Wipe']);
      const wipe = document.createElement('input');
      Object.assign(wipe, {type: 'range', className: 'k-wipe', min: 0, max: 1, step: .005, value: .5});
      wipe.setAttribute('aria-label', 'Wipe from A to B');
      view.style.setProperty('--wipe', wipe.value);
      $('.k-slots', view).append(wipe);
    }
    const group = $('.k-views', view);
    group.replaceChildren(...names.map(([name, word]) => {
      const button = document.createElement('button');
      Object.assign(button, {type: 'button', textContent: word});
      Object.assign(button.dataset, {do: 'look', look: name});
      if (word.length === 1) button.setAttribute('aria-label', `Only ${word}, large`);
      return button;
    }));
    look(isThere(view.dataset.view) ? view.dataset.view : 'all');
  }
  function look(name) {
    view.dataset.view = name;
    all('[data-look]', view).forEach(button => turn(button, button.dataset.look === name));
    all('.k-slot', view).forEach((slot, i) => slot.toggleAttribute('data-large', name === String(i)));
  }
  const isThere = name => $(`[data-look="${name}"]`, view) !== null;
  const large = name => { if (isThere(name)) look(view.dataset.view === name ? 'all' : name); };
  function turn(button, isOn) {
    button.setAttribute('aria-pressed', String(isOn));
  }

  /* -- what the clock tells */

  const clockText = seconds => {
    const tenths = Math.floor(seconds * 10 + .001);
    return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, '0')}.${tenths % 10}`;
  };
  /* Into the text node: a new one would count as something painted, ten times a second. */
  function write(element, text) {
    if (element.firstChild.data !== text) element.firstChild.data = text;
  }
  function show(words) {
    if (!view) return;
    const now = clock.state();
    const position = $('.k-seek', view);
    const range = Math.max(now.total, .001);
    if (Number(position.max) !== range) position.max = range;
    position.value = now.time;
    position.style.setProperty('--done', `${(100 * now.time / range).toFixed(2)}%`);
    position.setAttribute('aria-valuetext', `${now.time.toFixed(1)} of ${now.total.toFixed(1)} seconds`);
    write($('.k-now', view), clockText(now.time));
    write($('.k-total', view), clockText(now.total));
    const play = $('[data-do=play]', view);
    const label = now.isPlaying ? 'Pause' : 'Play';
    if (play.getAttribute('aria-label') !== label) {
      play.setAttribute('aria-label', label);
      play.title = `${label} (Space)`;
    }
    play.toggleAttribute('data-on', now.isPlaying);
    play.toggleAttribute('data-waiting', now.isWaiting);
    turn($('[data-do=loop]', view), now.isLooping);
    all('.k-slot', view).forEach(slot => {
      const video = $('video', slot);
      if (!video) return;
      const sound = $('[data-do=sound]', slot);
      if (!sound.disabled) turn(sound, video === now.sounding);
      slot.toggleAttribute('data-ended', now.hasEnded(video));
    });
    if (words) say(words);
  }
  function say(text) {
    const place = dialog?.open ? $('.k-compare-told', view) : pageToast();
    place.textContent = text;
    clearTimeout(untold);
    untold = setTimeout(() => { place.textContent = ''; }, TOLD_MS);
  }
  function pageToast() {
    const toast = $('#compare-told') ?? document.createElement('div');
    toast.id = 'compare-told';
    toast.className = 'k-compare-told';
    toast.setAttribute('role', 'status');
    document.body.append(toast);
    return toast;
  }

  /* -- what a press does */

  async function fill() {
    if (document.fullscreenElement) return document.exitFullscreen();
    return view.requestFullscreen?.();
  }
  const acts = {
    back: leave,
    link: button => result.copy(`${result.page()}?compare=${ids.join(',')}`, button),
    full: fill,
    play: clock.toggle,
    earlier: () => clock.step(-1),
    later: () => clock.step(1),
    loop: clock.loop,
    look: button => look(button.dataset.look),
    sound: button => clock.sound($('video', button.closest('.k-slot'))),
    star(button) {
      const isOn = button.getAttribute('aria-pressed') !== 'true';
      turn(button, isOn);
      ask('like', {ids: [button.closest('.k-slot').dataset.id], starred: isOn});
    },
  };
  function press(event) {
    const button = event.target.closest('[data-do]');
    if (button) return acts[button.dataset.do](button);
    if (event.target.matches('.k-slot video')) clock.sound(event.target);
  }
  function drag({target}) {
    if (target.matches('.k-seek')) clock.scrub(Number(target.value));
    if (target.matches('.k-wipe')) view.style.setProperty('--wipe', target.value);
    if (target.matches('.k-speed')) clock.setRate(Number(target.value));
  }
  const keys = {
    ' ': clock.toggle,
    arrowleft: () => clock.step(-1),
    arrowright: () => clock.step(1),
    home: () => clock.edge('start'),
    end: () => clock.edge('end'),
    l: clock.loop,
    f: fill,
    w: () => large('wipe'),
    0: () => look('all'),
    escape,
    ...Object.fromEntries([...'1234'].map((digit, i) => [digit, () => large(String(i))])),
  };
  function key(event) {
    if (!dialog?.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const {target} = event;
    const name = event.key.toLowerCase();
    const isOwn = target.matches('select') ? name !== 'escape'
      : name === ' ' ? target.matches('button:focus-visible, a:focus-visible')
        : target.matches('.k-wipe') && /^(arrow|home|end)/.test(name);
    if (isOwn || !keys[name]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[name]();
  }
  /* Of the document: what had the focus may be gone. */
  document.addEventListener('keydown', key, true);

  /* -- ways in: a result's menu, the strip of runs */

  const picked = new Set();
  let isPicking = false;
  function picking(isOn) {
    isPicking = isOn;
    picked.clear();
    if (isOn && $(`#runs .k-run[data-status=completed][data-open="${result.shown()}"]`)) picked.add(result.shown());
    dressStrip();
  }
  function dressStrip() {
    const button = $('#runs [data-do=pick]');
    if (!button) return;
    $('#runs').toggleAttribute('data-picking', isPicking);
    const words = !isPicking ? 'Compare' : picked.size > 1 ? `Compare ${picked.size}` : 'Choose two to four';
    write(button, words);
    if (button.getAttribute('aria-pressed') !== String(isPicking)) turn(button, isPicking);
    all('#runs .k-run').forEach(run => run.toggleAttribute('data-picked', isPicking && picked.has(run.dataset.open)));
  }
  document.addEventListener('kling-painted', dressStrip);
  document.addEventListener('click', event => {
    const run = isPicking && event.target.closest?.('#runs .k-run');
    const button = event.target.closest?.('[data-do=pick], [data-do=previous], [data-do=another]');
    if (run) {
      event.preventDefault();
      event.stopPropagation();
      const id = run.dataset.open;
      if (picked.has(id)) picked.delete(id);
      else if (run.dataset.status === 'completed' && picked.size < MOST) picked.add(id);
      dressStrip();
    } else if (button?.dataset.do === 'previous') {
      load({previous: button.dataset.id});
    } else if (button?.dataset.do === 'another') {
      window.klingHistory.compareWith(button.dataset.id);
    } else if (button) {
      const chosen = [...picked];
      const isReady = isPicking && chosen.length > 1;
      picking(!isPicking);
      if (isReady) open(chosen);
    }
  }, true);
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && isPicking && !dialog?.open) picking(false);
  });

  /* -- the address: one alone is a result */

  const wanted = asked();
  if (wanted.length === 1) {
    const url = address([]);
    history.replaceState(history.state, '', `${url}${url.includes('?') ? '&' : '?'}v=${encodeURIComponent(wanted[0])}`);
  }
  window.addEventListener('popstate', follow);
  window.klingCompare = {connect, open};
})();
