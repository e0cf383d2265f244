// Says on the page that a proxy gives the app another name than the address bar: the browser then
// lets the page ask for nothing, and says why in its console only.
(() => {
  let told = location.hostname;
  try {
    told = new URL(window.gradio_config.root).hostname;
  } catch {
    // A root that is no address is relative to this page.
  }
  if (told === location.hostname) return;
  const note = document.createElement("div");
  note.id = "refusal";
  note.setAttribute("role", "alert");
  note.style.cssText =
    "position:fixed;inset:0 0 auto 0;z-index:10000;padding:12px 16px;text-align:center;" +
    "font:15px/1.5 system-ui,sans-serif;color:#fff;background:#9a3412";
  note.textContent =
    `The proxy in front of Kling UI calls it ${told}, not ${location.hostname}. Let it pass on ` +
    "the Host header (nginx: proxy_set_header Host $host) and set " +
    `KLING_UI_HOSTS=${location.hostname} where the app runs.`;
  document.body.append(note);
})();
