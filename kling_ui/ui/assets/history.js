/* History in the browser: asks for pages, lays tiles out by day, stacks takes, selects, deletes. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const TYPED_MS = 200;
  const POLL_MS = 4000;
  const ANSWER_MS = 15000; /* an answer that late was lost */
  const PREVIEW_MS = 350;
  const FILTERS = ['task', 'model', 'status', 'kind', 'sort'];
  const PARAMETERS = ['q', ...FILTERS, 'starred'];
  const CALM = matchMedia('(prefers-reduced-motion: reduce)');

  const tab = name => $(`#tabs [role=tab][data-tab-id="${name}"]`);
  const isHistoryAddress = () => new URL(location.href).searchParams.get('tab') === 'history';
  function select(name) {
    const button = tab(name);
    if (button && button.getAttribute('aria-selected') !== 'true') button.click();
  }

  let compareWith = id => { basis = id; }; /* before the list is there */
  let basis = ''; /* the result that others are chosen to be compared with */

  function mount(element, trigger, props, watch) {
    const root = $('.k-history', element);
    const list = $('.k-history-list', root);
    const search = $('input[name=q]', root);
    const starred = $('[data-act=starred]', root);
    const [selection, told] = all('.k-float', root);
    const ask = $('.k-ask', root);
    const undoMs = 1000 * Number(root.dataset.undoSeconds);
    let number = 0;       /* of the question whose list is shown */
    let waiting = 0;      /* when the last page was asked for; 0: nothing is awaited */
    let after = '';       /* the last id of the list, where there is more */
    let stamp = '';
    let isReadable = true;
    let isShown = false;
    let place = 0;        /* where the list was scrolled to when it was left */
    let typed, untold, previewing;
    let doomed = [];      /* what the question before deleting is about */
    let deleted = [];
    const chosen = new Set();
    const opened = new Set(); /* stacks that are spread out */

    /* -- asking */

    const value = name => (name === 'q' ? search : $(`select[name=${name}]`, root)).value;
    function asked() {
      const question = {asked: String(number), q: value('q'), sort: value('sort')};
      ['task', 'model', 'status'].forEach(name => { if (value(name)) question[name] = value(name); });
      if (value('kind')) question.simulated = value('kind') === 'simulated';
      if (isOn(starred)) question.starred = true;
      return question;
    }
    function load() {
      number += 1;
      waiting = Date.now();
      after = '';
      list.setAttribute('aria-busy', 'true');
      trigger('input', asked());
    }
    function more() {
      if (!after || isWaiting()) return;
      waiting = Date.now();
      trigger('expand', {...asked(), after});
    }
    const isWaiting = () => waiting && Date.now() - waiting < ANSWER_MS;
    function poll() {
      if (!isShown || document.hidden || isWaiting()) return;
      if (!isReadable || !stamp) load();
      else trigger('tick', {...asked(), stamp});
    }

    /* -- answers */

    watch('value', () => {
      const holder = document.createElement('template');
      holder.innerHTML = props.value ?? '';
      const answer = holder.content.firstElementChild;
      if (!answer || answer.dataset.asked !== String(number)) return;
      const facts = answer.dataset;
      if (facts.kind === 'deleted') return sayDeleted(facts);
      isReadable = facts.kind !== 'unreadable';
      if (facts.kind === 'reload') return load();
      if (facts.kind !== 'changes') waiting = 0;
      if (!isReadable) return list.replaceChildren(...answer.children);
      if (facts.kind === 'changes' && !update(answer)) return load();
      if (facts.kind === 'first') list.replaceChildren();
      if (facts.kind !== 'changes') {
        all('.k-tile', answer).forEach(tile => append(tile));
        after = facts.after;
      }
      stamp = facts.kind === 'more' ? stamp : facts.stamp;
      list.removeAttribute('aria-busy');
      count(facts);
      arrange();
      if (after && isNear()) more();
    });
    function count({total, sum, deleted: gone}) {
      const isNarrowed = PARAMETERS.some(name => name !== 'sort' && address(name));
      const spent = [sum, !isNarrowed && gone ? `${gone} deleted` : ''].filter(Boolean).join(' + ');
      const text = [Number(total).toLocaleString('en'), spent].filter(Boolean).join(' · ');
      const counter = $('#history-count', root);
      if (counter.textContent !== text) counter.textContent = text;
      $('.k-nothing', list)?.remove();
      if (Number(total) > 0) return;
      list.insertAdjacentHTML('beforeend', isNarrowed
        ? '<div class="k-nothing"><strong>Nothing found</strong><span>No generation fits this search'
          + ' and these filters.</span><button type="button" class="k-pick" data-act="clear">Clear'
          + ' them</button></div>'
        : '<div class="k-nothing"><strong>Nothing here yet</strong><span>Every generation you start'
          + ' is listed here, also those still running.</span><button type="button" class="k-pick"'
          + ' data-act="create">Make a video</button></div>');
    }
    /* Replaces what has changed; false where only the server knows the place of something new. */
    function update(answer) {
      const known = new Map(tiles().map(tile => [tile.dataset.open, tile]));
      const fresh = new Map(all('.k-tile', answer).map(tile => [tile.dataset.open, tile]));
      const isNewest = value('sort') === 'newest';
      for (const id of answer.dataset.changed.split(' ')) {
        if (!fresh.has(id)) known.get(id)?.remove();
        else if (known.has(id)) known.get(id).replaceWith(fresh.get(id));
        else if (!isNewest) return false;
        else insert(fresh.get(id));
      }
      return true;
    }
    const tiles = () => all('.k-tile', list);
    const ofSet = ({dataset}) =>
      tiles().filter(tile => tile.dataset.set === dataset.set).map(tile => tile.dataset.open);
    function insert(tile) {
      const next = tiles().find(other => other.dataset.created < tile.dataset.created);
      if (!next) {
        if (!after) append(tile);
        return;
      }
      const section = next.closest('.k-day');
      if (section.dataset.day === dayOf(tile)) return next.before(tile);
      const day = sectionOf(tile) ?? newSection(dayOf(tile));
      if (!day.isConnected) section.before(day);
      $('.k-tiles', day).append(tile);
    }
    function append(tile) {
      const day = sectionOf(tile) ?? newSection(dayOf(tile));
      if (!day.isConnected) list.append(day);
      $('.k-tiles', day).append(tile);
    }

    /* -- days, takes, sizes */

    const isByTime = () => ['newest', 'oldest'].includes(value('sort'));
    const dayOf = tile => isByTime() ? new Date(tile.dataset.created).toDateString() : '';
    const sectionOf = tile => all('.k-day', list).find(each => each.dataset.day === dayOf(tile));
    function newSection(day) {
      const section = document.createElement('section');
      section.className = 'k-day';
      section.dataset.day = day;
      section.innerHTML = `${day ? '<h3><b></b> <i></i></h3>' : ''}<div class="k-tiles"></div>`;
      if (day) $('b', section).textContent = dayName(new Date(day));
      return section;
    }
    function dayName(day) {
      const today = new Date();
      const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
      if (day.toDateString() === today.toDateString()) return 'Today';
      if (day.toDateString() === yesterday.toDateString()) return 'Yesterday';
      const isThisYear = day.getFullYear() === today.getFullYear();
      return day.toLocaleDateString(undefined, {
        weekday: 'long', day: 'numeric', month: 'long', ...(isThisYear ? {} : {year: 'numeric'})});
    }
    function arrange() {
      const days = all('.k-day', list);
      days.forEach((day, index) => {
        const here = all('.k-tile', day);
        if (!here.length) return day.remove();
        stack(here);
        here.forEach(dress);
        /* The last day may go on: its sum is told once it is whole. */
        const isWhole = !after || index < days.length - 1;
        const usd = here.reduce((sum, tile) => sum + Number(tile.dataset.usd), 0);
        const facts = isWhole ? ` · ${here.length}${usd ? ` · $${usd.toFixed(2)}` : ''}` : '';
        const label = $('h3 i', day);
        if (label && label.textContent !== facts) label.textContent = facts;
      });
      const ids = new Set(tiles().map(tile => tile.dataset.open));
      [...chosen].filter(id => !ids.has(id)).forEach(id => chosen.delete(id));
      showSelection();
    }
    function stack(here) {
      const takes = Map.groupBy ? Map.groupBy(here, stackOf) : grouped(here);
      takes.forEach((same, key) => same.forEach(tile => {
        const isStack = same.length > 1 && !isSelecting() && !opened.has(key);
        /* A set is shown by one that there is something to see of. */
        const isFirst = tile === (tile.dataset.set && same.find(each => each.dataset.video) || same[0]);
        tile.toggleAttribute('data-hidden', isStack && !isFirst);
        tile.toggleAttribute('data-stack', isStack && isFirst);
        $('.k-tile-takes', tile)?.remove();
        asSet(tile, isStack && isFirst && tile.dataset.set);
        if (!isStack || !isFirst || tile.dataset.set) return;
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'k-tile-takes';
        button.dataset.act = 'spread';
        button.textContent = `${same.length} takes`;
        tile.append(button);
      }));
    }
    /* What was made together stands together, else takes: those of equal settings. */
    const stackOf = tile => tile.dataset.set || tile.dataset.take;
    function grouped(here) {
      const takes = new Map();
      here.forEach(tile => takes.set(stackOf(tile), [...(takes.get(stackOf(tile)) ?? []), tile]));
      return takes;
    }
    /* The first tile of a set stands for all of it: its name, count and sum, and where it leads. */
    function asSet(tile, isSet) {
      const [link, prompt] = [$('.k-tile-link', tile), $('.k-tile-prompt', tile)];
      tile.toggleAttribute('data-as-set', Boolean(isSet));
      link.href = isSet ? `?set=${tile.dataset.set}&edit` : `?v=${tile.dataset.open}&edit`;
      prompt.dataset.words ??= prompt.textContent;
      const words = isSet && tile.dataset.setName || prompt.dataset.words;
      if (prompt.textContent !== words) prompt.textContent = words;
      if (!isSet) return;
      const badge = document.createElement('span');
      badge.className = 'k-tile-takes';
      badge.textContent = tile.dataset.setTold;
      tile.append(badge);
    }
    function dress(tile) {
      if (tile.hasAttribute('data-dressed')) return;
      tile.setAttribute('data-dressed', '');
      const when = new Date(tile.dataset.created);
      const time = when.toLocaleTimeString(undefined, {hour: '2-digit', minute: '2-digit'});
      $('.k-tile-facts', tile).append(` · ${time}`);
      $('.k-tile-link', tile).title = when.toLocaleString();
      const picture = $('img', tile);
      if (!picture) return;
      /* What the ledger does not know of an old video its first picture tells. */
      const size = () => tile.style.setProperty('--ratio',
        Math.min(Math.max(picture.naturalWidth / picture.naturalHeight || 16 / 9, .4), 2.5));
      if (!tile.hasAttribute('data-sized')) picture.addEventListener('load', size, {once: true});
      picture.addEventListener('error', () => tile.setAttribute('data-blank', ''), {once: true});
    }

    /* -- pressing */

    const isOn = button => button.getAttribute('aria-pressed') === 'true';
    const isSelecting = () => isOn($('[data-act=select]', root));
    const acts = {
      starred: button => { press(button, !isOn(button)); changed(); },
      select: button => selecting(!isOn(button)),
      unselect: () => selecting(false),
      create: () => select('create'),
      clear: () => { write(new URLSearchParams()); changed(); },
      spread: button => { opened.add(stackOf(button.closest('.k-tile'))); arrange(); },
      delete: () => confirm([...chosen]),
      compare: () => window.klingCompare.open(compared()),
      zip: button => download(`${button.dataset.path}?ids=${[...chosen].join(',')}`),
      keep: () => ask.close(),
      confirm: () => { ask.close(); trigger('delete', {...asked(), ids: doomed}); },
      undo: () => {
        told.hidden = true;
        number += 1;
        waiting = Date.now();
        trigger('undo', {...asked(), ids: deleted});
      },
    };
    const press = (button, is) => button.setAttribute('aria-pressed', String(is));
    function selecting(is) {
      press($('[data-act=select]', root), is);
      root.toggleAttribute('data-selecting', is);
      if (!is) {
        chosen.clear();
        basis = '';
      }
      arrange();
    }
    function download(path) {
      const base = window.klingRoot();
      Object.assign(document.createElement('a'), {href: base + path, download: ''}).click();
    }
    const compared = () => [...new Set([basis, ...chosen])].filter(Boolean);
    function showSelection() {
      const ids = compared();
      tiles().forEach(tile => tile.toggleAttribute('data-chosen', ids.includes(tile.dataset.open)));
      selection.hidden = !isSelecting() || ids.length === 0;
      $('[data-selected]', selection).textContent =
        basis && !chosen.size ? 'Choose what to compare it with' : `${ids.length} selected`;
      $('[data-act=compare]', selection).disabled = ids.length < 2 || ids.length > 4;
      $('[data-act=delete]', selection).hidden = basis !== '';
      const zip = $('[data-act=zip]', selection);
      zip.hidden = basis !== '';
      zip.disabled = ids.length > Number(zip.dataset.most);
    }
    compareWith = id => {
      selecting(false);
      basis = id;
      selecting(true);
    };
    function confirm(ids) {
      if (!ids.length) return;
      doomed = ids;
      $('#history-ask', root).textContent =
        ids.length === 1 ? 'Delete this generation?' : `Delete ${ids.length} generations?`;
      ask.showModal();
    }
    function sayDeleted(facts) {
      const {ids, kept} = facts;
      deleted = ids.split(' ').filter(Boolean);
      const gone = new Set(deleted);
      tiles().filter(tile => gone.has(tile.dataset.open)).forEach(tile => tile.remove());
      selecting(false);
      const words = [
        deleted.length ? `${deleted.length} deleted.` : '',
        Number(kept) ? `${kept} kept: still running or being looked for, and perhaps paid.` : ''];
      $('span', told).textContent = words.filter(Boolean).join(' ');
      $('[data-act=undo]', told).hidden = deleted.length === 0;
      told.hidden = false;
      clearTimeout(untold);
      untold = setTimeout(() => { told.hidden = true; }, undoMs);
      count(facts);
    }
    root.addEventListener('click', event => {
      const act = event.target.closest('[data-act]');
      if (act) return acts[act.dataset.act](act);
      const tile = event.target.closest('.k-tile');
      if (!tile) return;
      const id = tile.dataset.open;
      const isSet = tile.hasAttribute('data-as-set');
      if (event.target.closest('.k-tile-delete')) return confirm(isSet ? ofSet(tile) : [id]);
      const star = event.target.closest('.k-tile-star');
      if (star) {
        press(star, !isOn(star));
        return trigger('like', {asked: String(number), ids: [id], starred: isOn(star)});
      }
      const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
      if (isElsewhere && !isSelecting()) return; /* the browser's own: a new tab, a new window */
      event.preventDefault();
      if (isSelecting()) {
        if (id !== basis) chosen[chosen.has(id) ? 'delete' : 'add'](id);
        return showSelection();
      }
      place = scrollY;
      if (isSet) return window.klingSets.open(tile.dataset.set);
      window.klingResult.open(id);
      trigger('click', {id});
    });
    root.addEventListener('input', event => {
      if (event.target !== search) return;
      clearTimeout(typed);
      typed = setTimeout(changed, TYPED_MS);
    });
    root.addEventListener('change', event => { if (event.target.matches('select')) changed(); });

    /* A muted look into a video, for a mouse that rests on it. */
    root.addEventListener('pointerover', event => {
      const picture = event.target.closest?.('.k-tile-picture');
      if (!picture || event.pointerType !== 'mouse' || CALM.matches) return;
      const tile = picture.closest('.k-tile');
      if (!tile.dataset.video || $('video', picture)) return;
      clearTimeout(previewing);
      previewing = setTimeout(() => {
        const video = document.createElement('video');
        Object.assign(video, {muted: true, loop: true, playsInline: true, src: $('img', picture)
          .getAttribute('src').replace(/poster\.jpg$/, 'video.mp4')});
        picture.prepend(video);
        video.play().catch(() => video.remove());
        tile.addEventListener('pointerleave', () => video.remove(), {once: true});
      }, PREVIEW_MS);
      tile.addEventListener('pointerleave', () => clearTimeout(previewing), {once: true});
    });

    /* -- the address: what is searched for stands in it */

    const address = name => new URL(location.href).searchParams.get(name) ?? '';
    function note() {
      const url = new URL(location.href);
      PARAMETERS.forEach(name => url.searchParams.delete(name));
      url.searchParams.set('tab', 'history');
      ['q', ...FILTERS].forEach(name => {
        if (value(name) && value(name) !== 'newest') url.searchParams.set(name, value(name));
      });
      if (isOn(starred)) url.searchParams.set('starred', '1');
      return url;
    }
    /* Fill the toolbar from an address; tell whether that changes anything. */
    function write(wanted) {
      const before = JSON.stringify(asked());
      search.value = wanted.get('q') ?? '';
      FILTERS.forEach(name => {
        const field = $(`select[name=${name}]`, root);
        field.value = wanted.get(name) ?? '';
        if (field.selectedIndex < 0) field.selectedIndex = 0;
      });
      press(starred, wanted.has('starred'));
      return before !== JSON.stringify(asked());
    }
    function changed() {
      history.replaceState(history.state, '', note());
      all('select', root).forEach(field => field.toggleAttribute('data-on', field.selectedIndex > 0));
      opened.clear();
      load();
    }

    /* -- coming and going */

    function arrive() {
      const isOther = isHistoryAddress() && write(new URL(location.href).searchParams);
      if (!isHistoryAddress()) history.pushState({}, '', note());
      if (!number || isOther) changed(); else poll();
      scrollTo({top: place, behavior: 'instant'});
    }
    function leave() {
      const url = new URL(location.href);
      const wasHere = isHistoryAddress();
      ['tab', ...PARAMETERS].forEach(name => url.searchParams.delete(name));
      if (wasHere) history.pushState({}, '', url);
      else if (url.href !== location.href) history.replaceState(history.state, '', url);
    }
    if (basis) compareWith(basis);
    new IntersectionObserver(() => {
      /* The entry tells of a moment ago, and of scrolling: what counts is whether the tab is open now. */
      const isVisible = root.offsetParent !== null;
      if (isVisible === isShown) return;
      isShown = isVisible;
      if (isShown) arrive(); else leave();
    }).observe(root);
    const end = $('.k-history-end', root);
    const isNear = () => isShown && end.getBoundingClientRect().top < innerHeight + 900;
    new IntersectionObserver(entries => { if (entries.at(-1).isIntersecting) more(); },
      {rootMargin: '900px'}).observe(end);
    setInterval(poll, POLL_MS);
    document.addEventListener('visibilitychange', poll);
    window.addEventListener('popstate', () => {
      if (isShown && isHistoryAddress() && write(new URL(location.href).searchParams)) changed();
    });
  }

  /* An address with `tab=history` opens the tab, on a visit as on Back. */
  function follow() {
    if (isHistoryAddress()) select('history-tab');
    else if ($('#history')?.offsetParent) select('create');
  }
  window.addEventListener('popstate', follow);
  if (isHistoryAddress()) {
    const waiting = setInterval(() => {
      if (!tab('history-tab')) return;
      clearInterval(waiting);
      follow();
    }, 50);
  }
  window.klingHistory = {
    mount,
    compareWith(id) {
      compareWith(id);
      select('history-tab');
    },
  };
})();
