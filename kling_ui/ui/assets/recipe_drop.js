/* A video that is dropped anywhere but on a well for videos is read for how it was made. Only its
   beginning is sent: the index stands there. A file dropped beside every well would otherwise
   replace the page. */
(() => {
  'use strict';
  const HEAD_BYTES = 1024 * 1024;
  let channel = null;

  window.klingRecipeDrop = {
    connect(element, upload, trigger) {
      channel = {upload, trigger};
      const show = () => element.scrollIntoView({block: 'nearest'});
      new MutationObserver(show).observe(element, {childList: true, subtree: true});
    },
  };

  const isVideo = file => file.type.startsWith('video/') || /\.(mp4|m4v|mov)$/i.test(file.name);
  const well = target => target.closest?.('.block')?.querySelector('input[type=file]');
  const takesVideos = input => /video/.test(input?.accept ?? '');
  const carriesFiles = event => [...event.dataTransfer?.types ?? []].includes('Files');
  const mark = isOn => document.documentElement.classList.toggle('k-dropping', isOn);

  async function restore(file) {
    const {path} = await channel.upload(new File([file.slice(0, HEAD_BYTES)], 'recipe.mp4'));
    channel.trigger('click', {path, name: file.name});
  }

  document.addEventListener('dragover', event => {
    if (!carriesFiles(event)) return;
    const isForWell = Boolean(well(event.target));
    const kinds = [...event.dataTransfer.items ?? []].map(item => item.type);
    mark(kinds.some(kind => kind.startsWith('video/')) && !takesVideos(well(event.target)));
    if (!isForWell) event.preventDefault();
  });
  document.addEventListener('dragleave', event => { if (!event.relatedTarget) mark(false); });

  /* On its way down, before a well for pictures takes it for one. */
  document.addEventListener('drop', event => {
    mark(false);
    if (!carriesFiles(event)) return;
    const input = well(event.target);
    const video = [...event.dataTransfer.files].find(isVideo);
    if (input && (!video || takesVideos(input))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (video && channel) restore(video);
  }, true);
})();
