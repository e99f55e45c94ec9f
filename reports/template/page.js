// Says where something goes on beyond its frame, and lets the keyboard scroll it; the bar shows the page one is on.
(() => {
  const frames = document.querySelectorAll(".scroll, pre, math[display=block]");
  const mark = frame => {
    const cut = frame.scrollWidth > frame.clientWidth + 1;
    frame.classList.toggle("cut", cut);
    if (cut) frame.tabIndex = 0; else frame.removeAttribute("tabindex");
  };
  const watch = new ResizeObserver(entries => entries.forEach(entry => mark(entry.target)));
  frames.forEach(frame => watch.observe(frame));
  const here = document.querySelector(".pages [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - 100;
})();
