/* Several at once: takes or a matrix, planned by the server, confirmed by one press. The dialog
   itself is made here; every price and sum in it comes from the server. */
(() => {
  'use strict';
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const TYPING_PAUSE_MS = 250;
  const ARMED_MS = 4000;
  const LOST_MS = 30000; /* an answer that late was lost */

  let dialog, sheet, ask, typing, unlocking;
  let number = 0;        /* of the question whose answer counts */
  let mode = 2;          /* how many takes; 0 is a matrix */
  let axis = '';
  let ticket = '';       /* a confirmation counts once, however often it arrives */
  let written = '';      /* the prompts that the form gave */
  let plan = {};
  let parts = {};
  const chosen = {};     /* by axis: the values that are ticked */
  const off = new Set(); /* the cells that are not */

  function connect(element, trigger, props, watch) {
    sheet = $('.k-plan', element);
    dialog?.remove();
    dialog = document.createElement('dialog');
    dialog.id = 'variations-dialog';
    dialog.setAttribute('aria-labelledby', 'variations-title');
    (document.querySelector('.gradio-container') ?? document.body).append(dialog);
    dialog.append(sheet);
    sheet.hidden = false;
    ask = trigger;
    watch('value', () => answer(props.value));
    $('#variations-open', element).addEventListener('click', open);
    dialog.addEventListener('click', press);
    dialog.addEventListener('change', changed);
    dialog.addEventListener('input', event => {
      if (!event.target.matches('textarea')) return;
      stale();
      clearTimeout(typing);
      typing = setTimeout(load, TYPING_PAUSE_MS);
    });
    dialog.addEventListener('close', () => { number += 1; });
  }

  function open() {
    if (dialog.open) return;
    ticket = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const prompts = $('textarea', sheet);
    const now = ($('#prompt textarea')?.value ?? '').replace(/\s*\n\s*/g, ' ').trim();
    /* A list that was written here is kept; what the form gave follows the form. */
    if (prompts.value === written) prompts.value = written = now;
    $('.k-plan-prompts', sheet).hidden = $('#prompt textarea')?.offsetParent == null;
    parts = {};
    tell('');
    dialog.showModal();
    choose(mode);
  }
  function choose(wanted) {
    mode = wanted;
    all('[data-plan-do=takes]', sheet).forEach(button => pressed(button, Number(button.dataset.takes) === mode));
    pressed($('[data-plan-do=matrix]', sheet), mode === 0);
    $('.k-plan-matrix', sheet).hidden = mode !== 0;
    $('.k-plan-about', sheet).hidden = mode === 0;
    dialog.toggleAttribute('data-matrix', mode === 0);
    load();
  }
  const pressed = (button, is) => button.setAttribute('aria-pressed', String(is));

  function question(more = {}) {
    number += 1;
    return {
      asked: String(number), takes: mode, matrix: mode === 0, prompts: $('textarea', sheet).value,
      axis, chosen: chosen[axis] ? [...chosen[axis]] : null, off: [...off], ...more,
    };
  }
  /* What is shown does not hold any more: nothing to confirm until the answer is there. */
  function stale() {
    disarm();
    number += 1;
    $('#generate-set').disabled = true;
    $('[data-part=sum]', sheet).setAttribute('aria-busy', 'true');
  }
  function load() {
    clearTimeout(typing);
    stale();
    ask('select', question());
  }

  function answer(html) {
    const holder = document.createElement('template');
    holder.innerHTML = html ?? '';
    const given = holder.content.firstElementChild;
    if (!given || given.dataset.asked !== String(number)) return;
    clearTimeout(unlocking);
    const kinds = {
      plan: show,
      asking: arm,
      told() {
        tell(given.textContent);
        $('#generate-set').disabled = !plan.ready;
      },
      submitted() {
        dialog.close();
        window.klingSets.open(given.dataset.set);
        window.klingResult.refreshRuns();
      },
    };
    kinds[given.dataset.kind]?.(given);
  }
  function show(given) {
    plan = {...given.dataset};
    tell(plan.told);
    ['axes', 'cells', 'sum'].forEach(name => {
      const part = $(`[data-part=${name}]`, given);
      const place = $(`[data-part=${name}]`, sheet);
      place.removeAttribute('aria-busy');
      if (parts[name] === part.innerHTML) return;
      parts[name] = part.innerHTML;
      place.replaceChildren(...part.childNodes);
    });
    const chips = $('.k-plan-chips', sheet);
    if (mode === 0 && chips) {
      axis = chips.dataset.axis;
      chosen[axis] ??= new Set(all('[data-first]', chips).map(box => box.value));
      all('input', chips).forEach(box => { box.checked = chosen[axis].has(box.value); });
    }
    all('[data-cell]', sheet).forEach(box => { box.checked = !off.has(box.dataset.cell); });
    const button = $('#generate-set');
    button.textContent = plan.label;
    button.disabled = !plan.ready;
  }
  function tell(text) {
    $('.k-plan-told', sheet).textContent = text;
  }

  /* -- the one press, and a second one before much is spent */

  function send() {
    const button = $('#generate-set');
    if (button.disabled) return;
    button.disabled = true;
    tell('');
    const usd = plan.usd === '' ? {} : {max_usd: Number(plan.usd)};
    ask('submit', question({key: plan.key, ticket, ...usd}));
    unlocking = setTimeout(() => {
      tell('No answer so far. Press once more: it is not sent twice.');
      button.disabled = false;
    }, LOST_MS);
  }
  function arm(given) {
    const button = $('#generate-set');
    button.textContent = given.textContent;
    button.dataset.armed = 'yes';
    button.disabled = false;
    clearTimeout(arm.timer);
    arm.timer = setTimeout(disarm, ARMED_MS);
  }
  function disarm() {
    const button = $('#generate-set');
    if (!button.dataset.armed) return;
    delete button.dataset.armed;
    button.textContent = plan.label;
  }

  const acts = {
    takes: button => choose(Number(button.dataset.takes)),
    matrix: () => choose(0),
    close: () => dialog.close(),
    send,
  };
  function press(event) {
    const act = event.target.closest('[data-plan-do]');
    if (act) acts[act.dataset.planDo]?.(act);
    else if (event.target === dialog) dialog.close();
  }
  function changed({target}) {
    if (target.matches('[data-plan-axis]')) axis = target.value;
    else if (target.matches('[data-cell]')) off[target.checked ? 'delete' : 'add'](target.dataset.cell);
    else if (target.matches('.k-plan-chip input')) chosen[axis][target.checked ? 'add' : 'delete'](target.value);
    else return;
    load();
  }
  document.addEventListener('keydown', event => {
    if (!dialog?.open || event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) send();
  }, true);
  window.klingPlan = {connect};
})();
