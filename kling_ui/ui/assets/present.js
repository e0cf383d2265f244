/* Where the page is: tab, result, presenting or not; each has an address, and Back goes back. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const root = document.documentElement;
  const FADE_MS = 3000;
  const TOLD_MS = 1500;
  const HUB = 'https://huggingface.co';
  const PHONE = '(max-width: 767px)';
  const result = window.klingResult;

  const here = () => {
    const asked = new URL(location.href).searchParams;
    const set = asked.get('set') ?? '';
    const id = set ? '' : asked.get('v') || asked.get('generation') || '';
    const isHistory = asked.get('tab') === 'history';
    return {id, set, isHistory, isPresenting: id !== '' && !asked.has('edit') && !isHistory};
  };
  const isPresenting = () => root.classList.contains('k-presenting');
  const set = window.klingSets;
  const isResult = now => now.isPresenting || (now.set && history.state?.kling !== 'create')
    || (now.id && history.state?.kling === 'result');
  const placeOf = now => now.isHistory ? 'history' : isResult(now) ? 'result' : 'create';
  let place = placeOf(here());

  /* A set on the stage stands in the address in place of the result that it covers. */
  function address({id, isHistory = false, isEditing = true}) {
    const url = new URL(location.href);
    ['v', 'edit', 'generation', 'tab', 'set'].forEach(name => url.searchParams.delete(name));
    if (isHistory) url.searchParams.set('tab', 'history');
    else if (set.shown()) url.searchParams.set('set', set.shown());
    else if (id) url.searchParams.set('v', id);
    const query = url.searchParams.toString();
    const edit = (id || set.shown()) && !isHistory && isEditing ? '&edit' : '';
    return `${url.pathname}${query ? `?${query}` : ''}${edit}${url.hash}`;
  }
  function note(where, how) {
    const url = address(where);
    if (url === `${location.pathname}${location.search}${location.hash}` && how === 'replaceState') return;
    history[how]({...history.state, kling: place}, '', url);
    tellHost();
  }
  /* A Space is a frame: its host keeps the address that people see. */
  function tellHost() {
    if (window.gradio_config?.space_id && window.parent !== window) {
      window.parent.postMessage({queryString: location.search}, HUB);
    }
  }
  function dress() {
    const {isPresenting: isWanted} = here();
    root.classList.toggle('k-presenting', isWanted);
    root.dataset.place = place;
    document.querySelectorAll('.k-places [data-place]').forEach(button => {
      if (button.dataset.place === place) button.setAttribute('aria-current', 'page');
      else button.removeAttribute('aria-current');
    });
  }

  /* -- tabs and places */

  const tab = name => $(`#tabs [role=tab][data-tab-id="${name}"]`);
  const isSelected = button => button?.getAttribute('aria-selected') === 'true';
  let isGoing = false; /* the page itself presses a tab: no new entry in the browser's history */
  function select(name) {
    const button = tab(name);
    if (!button || isSelected(button)) return;
    isGoing = true;
    button.click();
    isGoing = false;
  }
  function go(where, how = 'pushState') {
    place = where;
    select(where === 'history' ? 'history-tab' : 'create');
    note({id: result.shown(), isHistory: where === 'history'}, how);
    dress();
    scrollTo({top: 0});
  }
  document.addEventListener('click', event => {
    const pressed = event.target.closest?.('button[data-place], #tabs [role=tab]');
    if (!pressed || isGoing) return;
    const asked = pressed.dataset.place ?? (pressed.dataset.tabId === 'create' ? 'create' : 'history');
    if (asked !== place || asked === 'history') go(asked);
  });
  window.klingPlaces = {
    tellHost,
    opening(id) {
      isOpened = true;
      if (set.shown() && id === known) known = ''; /* it was there, below the set */
      set.close();
    },
    toSet() { go(matchMedia(PHONE).matches ? 'result' : 'create'); },
    present() {
      note({id: result.shown(), isEditing: false}, 'pushState');
      dress();
      wake();
    },
    toForm() {
      go('create');
      const prompt = $('#prompt textarea');
      if (prompt?.offsetParent) prompt.focus();
    },
  };
  result.toForm = window.klingPlaces.toForm;

  /* -- the result on the stage stands in the address */

  let known = '';
  let hasEntry = false; /* the result that comes next has its entry already */
  let isOpened = false; /* a person has opened the result that comes next */
  let awaited = null; /* what Back or Forward has asked for and the stage does not show yet */
  function remember() {
    const id = result.shown();
    if (awaited !== null) {
      if ($('#result [data-status=missing], #status [data-sending]')) awaited = null;
      if (id !== awaited) return;
      awaited = null;
    }
    if (!id && known && $('#result [data-status=idle]')) {
      known = '';
      note({id}, 'replaceState');
    }
    if (!id || id === known) return;
    const isFromHistory = isOpened && place === 'history';
    const isFirst = known === '' && !isFromHistory && !here().set;
    set.close();
    isOpened = false;
    known = id;
    wake(); /* from now on there is something to press */
    const now = here();
    if (now.id === id && !new URL(location.href).searchParams.has('generation')) {
      hasEntry = false;
      return;
    }
    if (isFromHistory || (place === 'history' && !isFirst)) place = matchMedia(PHONE).matches ? 'result' : 'create';
    if (now.isHistory && isFirst) return;
    /* History makes an entry for the tab it is left for, if it is told before us. */
    const isNoted = hasEntry || (isFromHistory && !now.isHistory);
    note({id, isEditing: !isPresenting()}, isFirst || isNoted ? 'replaceState' : 'pushState');
    hasEntry = false;
    dress();
  }
  window.addEventListener('popstate', event => {
    const now = here();
    place = event.state?.kling ?? placeOf(now);
    if (now.isHistory) place = 'history';
    else set.follow();
    select(place === 'history' ? 'history-tab' : 'create');
    if (!now.isHistory && !now.set && now.id !== result.shown()) {
      known = awaited = now.id;
      result.ask({act: 'open', id: now.id});
    }
    dress();
  });

  /* -- presenting: keys, and words that fade */

  let faded = 0;
  function wake() {
    root.classList.remove('k-faded');
    clearTimeout(faded);
    if (isPresenting()) faded = setTimeout(() => root.classList.add('k-faded'), FADE_MS);
  }
  function tell(text) {
    const toast = document.createElement('div');
    toast.className = 'k-toast';
    toast.setAttribute('role', 'status');
    toast.textContent = text;
    document.body.append(toast);
    setTimeout(() => toast.remove(), TOLD_MS);
  }
  async function fill() {
    if (document.fullscreenElement) return document.exitFullscreen();
    if (root.requestFullscreen) return root.requestFullscreen();
    result.video()?.webkitEnterFullscreen?.();
  }
  const keys = {
    f: fill,
    ' ': () => {
      const player = result.video();
      if (player) player.paused ? player.play() : player.pause();
    },
    l: () => {
      const player = result.video();
      if (!player) return;
      player.loop = !player.loop;
      player.dataset.loop = player.loop ? 'on' : 'off';
      tell(`Loop ${player.dataset.loop}`);
    },
    arrowleft: () => result.ask({act: 'newer', id: result.shown()}),
    arrowright: () => result.ask({act: 'older', id: result.shown()}),
    escape: () => go('create'),
  };
  document.addEventListener('keydown', event => {
    if (!isPresenting() || event.ctrlKey || event.metaKey || event.altKey) return;
    wake();
    if (document.querySelector('dialog[open]')) return;
    if (event.key === ' ' && event.target.closest?.('button, a, summary')) return;
    const act = keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }, true);
  ['pointermove', 'pointerdown', 'focusin'].forEach(name => document.addEventListener(name, wake));

  let isPlaced = false;
  let isSending = false;
  document.addEventListener('kling-painted', () => {
    remember();
    const wasSending = isSending;
    isSending = $('#status [data-sending]') !== null;
    if (isSending && !wasSending) set.close();
    /* What was just sent is what a phone shows next; Back returns to the form as it was. */
    if (isSending && !wasSending && matchMedia(PHONE).matches && place === 'create') {
      go('result');
      hasEntry = true;
    }
    if (isPlaced || !tab('create')) return;
    isPlaced = true;
    if (here().isHistory) select('history-tab');
    dress();
    wake();
  });
  dress();
})();
