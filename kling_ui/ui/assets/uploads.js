/* Lets files reach a well whatever the browser takes them for. Gradio 6.31 asks a file's type
   before it uploads it, and the browser guesses the type from the name: a HEIC, a .jfif or a file
   without an ending has none on many machines. The app looks into the bytes, so a file that is
   chosen or dropped here is given a type of the well's kind. */
(() => {
  'use strict';

  const kindOf = input => /\b(image|audio|video)\/\*/.exec(input?.accept ?? '')?.[1];
  const isOfKind = kind => file => file.type.startsWith(`${kind}/`);

  function ofKind(files, kind) {
    const held = new DataTransfer();
    for (const file of files) {
      const {name, lastModified} = file;
      const renamed = () => new File([file], name, {type: `${kind}/unknown`, lastModified});
      held.items.add(isOfKind(kind)(file) ? file : renamed());
    }
    return held;
  }

  /* While the event is on its way down: the well reads the files when it arrives. */
  document.addEventListener('change', ({target}) => {
    const kind = target.type === 'file' && kindOf(target);
    if (kind && ![...target.files].every(isOfKind(kind))) {
      target.files = ofKind(target.files, kind).files;
    }
  }, true);

  /* What is pasted, a screenshot or a copied file, goes into the well that has the focus, else into
     the first one that is empty; text that was copied with a picture stays text in a field. */
  document.addEventListener('paste', event => {
    const {target, clipboardData} = event;
    const files = [...clipboardData?.files ?? []];
    const isText = target.matches?.('textarea, input') && clipboardData.types.includes('text/plain');
    if (!files.length || isText || document.querySelector('dialog[open]')) return;
    const own = target.closest?.('.block')?.querySelector('input[type=file]');
    const takes = input => input?.closest('.block').offsetParent && files.some(isOfKind(kindOf(input)));
    const hasRoom = input => input.multiple || !input.closest('.block').querySelector('img, video, audio');
    const input = takes(own) ? own : [...document.querySelectorAll('#composer input[type=file]')]
      .find(each => takes(each) && hasRoom(each));
    if (!input) return;
    event.preventDefault();
    const fitting = files.filter(isOfKind(kindOf(input)));
    input.files = ofKind(input.multiple ? fitting : fitting.slice(0, 1), kindOf(input)).files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
  }, true);

  document.addEventListener('drop', event => {
    const files = [...event.dataTransfer?.files ?? []];
    const kind = kindOf(event.target.closest?.('.block')?.querySelector('input[type=file]'));
    if (!kind || files.every(isOfKind(kind))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const again = {bubbles: true, cancelable: true, dataTransfer: ofKind(files, kind)};
    event.target.dispatchEvent(new DragEvent('drop', again));
  }, true);
})();
