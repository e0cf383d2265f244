/* What the form does by itself between two states from the server: count, guard, remember. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);

  /* Mail and chat leave a dot, a bracket or a line break at the end of a link, some write it in
     capitals: of an address of results only their ids count. Gradio reads it later. */
  const search = location.search.replace(/([?&](?:v|generation|set|compare)=)([^&]+)/g, (given, name, value) => {
    const ids = value.replace(/%../g, ' ').match(/[0-9a-f]{32}/gi);
    return ids ? name + ids.join(',').toLowerCase() : given;
  });
  if (search !== location.search) {
    history.replaceState(history.state, '', location.pathname + search + location.hash);
  }

  /* The path below which this page's app is. Gradio's root is an address that the server has put
     together, and behind a proxy its port or scheme may be wrong; the browser knows them. */
  window.klingRoot = () => {
    try {
      return new URL(window.gradio_config?.root ?? '', location.href).pathname.replace(/\/$/, '');
    } catch { return ''; }
  };

  /* An update of the app renumbers what a page calls: each call tells which version it is from,
     and a page that is refused for it is loaded anew, once. What was written is kept. */
  const [VERSION, OTHER_VERSION, RENEWED] = ['x-kling-ui-version', 409, 'kling-ui-renewed'];
  const version = $('meta[name=kling-ui-version]')?.content ?? '';
  const request = window.fetch;
  window.fetch = async (address, options = {}) => {
    if (!version || options.method !== 'POST') return request(address, options);
    const headers = new Headers(options.headers);
    headers.set(VERSION, version);
    const answer = await request(address, {...options, headers});
    if (answer.status === OTHER_VERSION) renew();
    return answer;
  };
  function renew() {
    try {
      if (sessionStorage.getItem(RENEWED) === version) return;
      sessionStorage.setItem(RENEWED, version);
    } catch { return; /* without storage a reload might follow a reload for ever */ }
    location.reload();
  }

  /* Addresses and times that only the browser knows how to write. What loads by itself waits for
     its own in data-src: below a root path the server's would be asked of whoever is at the top. */
  const ADDRESSES = {'data-src': 'src', href: 'href', 'data-poster': 'data-poster'};
  function localize(within = document) {
    const root = window.klingRoot();
    within.querySelectorAll('[data-rooted]').forEach(element => {
      for (const [given, name] of Object.entries(ADDRESSES)) {
        const path = element.getAttribute(given);
        if (path) element.setAttribute(name, path.startsWith('/') ? root + path : path);
      }
      ['data-rooted', 'data-src'].forEach(name => element.removeAttribute(name));
    });
    within.querySelectorAll('time[data-local]').forEach(element => {
      const format = {dateStyle: 'medium', timeStyle: 'short'};
      element.textContent = new Date(element.dateTime).toLocaleString(undefined, format);
      element.removeAttribute('data-local');
    });
  }
  /* For what is drawn from a template: before it is compared, or played. */
  window.klingLocalize = localize;

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

  document.addEventListener('input', count, true);

  /* Gradio names each radio for itself; one name a group makes it one stop, and the arrows work. */
  function group() {
    document.querySelectorAll('.k-segments, #task, #words-switch, #control-switch').forEach(segments => {
      const radios = segments.querySelectorAll('input[type=radio]');
      radios.forEach(radio => { if (radio.name !== radios[0].name) radio.name = radios[0].name; });
    });
  }

  /* One press is one press. What a held key repeats is none, nor is what ends the composition of a
     word (229: Safari tells it only so), and the second half of a double click is not the second
     press that a price asks for. */
  const COMPOSING = 229;
  document.addEventListener('keydown', event => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    if (event.isComposing || event.keyCode === COMPOSING) event.stopImmediatePropagation();
    else if (event.repeat && event.target.closest?.('button')) event.preventDefault();
  }, true);
  document.addEventListener('click', event => {
    if (event.detail < 2 || !event.target.closest?.('[data-armed], [data-asking]')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  /* Who scrolls the page over the number that was typed last does not mean to change it. */
  document.addEventListener('wheel', ({target}) => {
    if (target === document.activeElement && target.matches('input[type=number]')) target.blur();
  }, {capture: true, passive: true});

  /* Over plain http the browser has neither camera nor clipboard to give: hide their buttons. */
  if (!window.isSecureContext) document.documentElement.classList.add('k-insecure');

  /* What had the focus may be painted away or hidden: the nearest place around it that is left
     takes it over, or the keyboard and a screen reader would begin at the top again. */
  let around = [];
  document.addEventListener('focusin', ({target}) => {
    around = [];
    for (let each = target; each && each !== document.body; each = each.parentElement) around.push(each);
  });
  const isSeen = element => element.isConnected && element.getClientRects().length > 0;
  function keepFocus() {
    if (document.activeElement !== document.body || !around.length || isSeen(around[0])) return;
    const left = around.find(each => each.id && isSeen(each));
    around = [];
    /* All of the page is as good as nothing: what was opened stands on the stage. */
    const place = !left || left.querySelector('#desk') ? $('#stage') : left;
    if (!place || !isSeen(place)) return;
    if (place.tabIndex < 0) Object.assign(place, {tabIndex: -1}).classList.add('k-took-focus');
    place.focus({preventScroll: true});
  }

  /* Gradio calls the page's language that of the browser, and a screen reader would read English
     as if it were Arabic. Once: a browser that translates the page names the language itself. */
  let isNamed = false;
  function nameLanguage() {
    if (isNamed || !$('#generate')) return;
    isNamed = true;
    document.documentElement.lang = 'en';
  }

  const refresh = () => { nameLanguage(); localize(); count(); group(); keepFocus(); };
  setInterval(refresh, 250);
  /* And at once where the server has painted, so that nothing flickers. */
  new MutationObserver(() => {
    localize();
    document.dispatchEvent(new Event('kling-painted'));
  }).observe(document, {childList: true, subtree: true, attributes: true, attributeFilter: ['src']});
})();
