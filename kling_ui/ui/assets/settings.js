/* The drawer behind the badge. A modal dialog keeps the focus in and closes with Esc; Gradio
   repaints what it holds, so the dialog itself is made here, around Gradio's component. */
(() => {
  'use strict';
  const HASH = '#settings';
  const switches = 'BroadcastChannel' in window ? new BroadcastChannel('kling-ui-switch') : null;
  let dialog = null;
  let ask = () => {};
  let chosen = '';
  let isOnTabs = false;

  function connect(element, trigger) {
    const sheet = element.closest('#settings') ?? element;
    dialog?.remove();
    dialog = document.createElement('dialog');
    dialog.id = 'settings-drawer';
    dialog.setAttribute('aria-labelledby', 'settings-title');
    (document.querySelector('.gradio-container') ?? document.body).append(dialog);
    dialog.append(sheet);
    ask = data => {
      sheet.setAttribute('aria-busy', 'true');
      trigger('click', data);
    };
    dialog.addEventListener('click', onClick);
    dialog.addEventListener('submit', onSubmit);
    dialog.addEventListener('keydown', onKey);
    dialog.addEventListener('focusin', event => { isOnTabs = event.target.matches('[data-tab]'); });
    dialog.addEventListener('close', onClose);
    new MutationObserver(() => painted(sheet)).observe(
      sheet, {childList: true, subtree: true, characterData: true});
    if (location.hash === HASH) open();
  }

  function open() {
    if (!dialog || dialog.open) return;
    chosen = '';
    dialog.showModal();
    ask({act: 'open'});
  }

  function onClose() {
    const key = dialog.querySelector('[name=key]');
    if (key) key.value = '';
    if (location.hash === HASH) {
      history.replaceState(history.state, '', location.pathname + location.search);
    }
    document.querySelector('#badge')?.focus();
  }

  function painted(sheet) {
    sheet.removeAttribute('aria-busy');
    const tab = showTab(sheet);
    /* What held the focus was painted away; without it Tab and arrows begin anew. */
    if (isOnTabs && !sheet.contains(document.activeElement)) tab?.focus();
    askForUnread(sheet);
    const root = location.origin + window.klingRoot();
    sheet.querySelectorAll('[data-address]').forEach(element => {
      const address = root + element.dataset.address;
      if (element.textContent !== address) element.textContent = address;
    });
    if (!sheet.querySelector('[data-switched]')) return;
    /* Prices, badge and notes of every page are those of where requests went before. */
    switches?.postMessage('');
    setTimeout(() => {
      history.replaceState(history.state, '', location.pathname + location.search + HASH);
      location.reload();
    }, 900);
  }

  /* Which tab is chosen is known here alone: the drawer is painted anew with each answer. */
  function showTab(sheet) {
    const tabs = [...sheet.querySelectorAll('[data-tab]')];
    const shown = tabs.find(tab => tab.dataset.tab === chosen) ?? tabs[0];
    tabs.forEach(tab => {
      const isShown = tab === shown;
      tab.setAttribute('aria-selected', String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      sheet.querySelector(`#${tab.getAttribute('aria-controls')}`).hidden = !isShown;
    });
    return shown;
  }

  /* The disk is counted only for those who look at it. */
  function askForUnread(sheet) {
    if (sheet.querySelector('section:not([hidden]) [data-unread]')) ask({act: chosen});
  }

  function choose(tab) {
    const sheet = tab.closest('#settings');
    chosen = tab.dataset.tab;
    showTab(sheet);
    tab.focus();
    askForUnread(sheet);
  }

  function onKey(event) {
    const tab = event.target.closest('[data-tab]');
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!tab || !step) return;
    event.preventDefault();
    const tabs = [...tab.parentElement.children];
    choose(tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]);
  }

  function onClick(event) {
    const {target} = event;
    if (target === dialog || target.closest('[data-close]')) dialog.close();
    const tab = target.closest('[data-tab]');
    if (tab) choose(tab);
    const act = target.closest('button[data-act]')?.dataset.act;
    if (act) ask({act});
    const copy = target.closest('[data-copy-code]');
    if (copy) copyCode(copy);
  }

  function onSubmit(event) {
    event.preventDefault();
    const form = event.target;
    ask({act: form.dataset.act, ...Object.fromEntries(new FormData(form))});
    const key = form.querySelector('[name=key]');
    if (key) key.value = '';
  }

  async function copyCode(button) {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  }

  document.addEventListener('click', event => {
    if (!event.target.closest?.('#badge')) return;
    event.preventDefault();
    open();
  });
  window.addEventListener('hashchange', () => { if (location.hash === HASH) open(); });
  if (switches) switches.onmessage = () => location.reload();

  window.klingSettings = {connect, open};
})();
