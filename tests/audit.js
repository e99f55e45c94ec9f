// What a reader would stumble over on the page as it is shown now: sentences, none if all is well.
(() => {
  const problems = [], seen = new Set();
  const say = (element, what) => {
    const text = `${what}: <${element.tagName.toLowerCase()}> ${(element.textContent || "").trim().slice(0, 40)}`;
    if (!seen.has(text) && seen.size < 12) { seen.add(text); problems.push(text); }
  };
  // Colours as the browser computes them: rgb(29, 34, 41), rgba(...) or color(srgb 0.1 0.2 0.3).
  const parse = text => {
    const numbers = (text.match(/[\d.e-]+/g) || []).map(Number), scale = text.startsWith("color(") ? 1 : 255;
    return { rgb: numbers.slice(0, 3).map(x => x / scale), alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const over = (front, alpha, back) => front.map((x, i) => alpha * x + (1 - alpha) * back[i]);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const { rgb, alpha } = parse(getComputedStyle(element).backgroundColor);
      if (alpha === 1) return rgb;
    }
    return [1, 1, 1];
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const opacity = element => {
    let all = 1;
    for (; element; element = element.parentElement) all *= Number(getComputedStyle(element).opacity);
    return all;
  };

  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) problems.push(`the page is wider than its window of ${wide} px`);
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || element.closest("svg, math")) continue;
    const overflow = getComputedStyle(element).overflowX;
    if (overflow !== "visible" && element.scrollWidth > element.clientWidth + 1 && !element.matches(".scroll, .cut, pre, math, input"))
      say(element, "cut without a sign");
  }
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || element.closest("script, style, option") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), drawn = element.closest("svg");
    const size = parseFloat(style.fontSize);
    if (size < 11.95 && !drawn) say(element, `${size.toFixed(1)} px`); // what is drawn shrinks with a small window
    const front = parse(drawn ? style.fill : style.color), back = ground(drawn ?? element);
    const ratio = contrast(over(front.rgb, front.alpha * opacity(element), back), back);
    if (ratio < 4.5) say(element, `contrast ${ratio.toFixed(2)}`);
  }
  const ids = [...document.querySelectorAll("[id]:not(svg *)")].map(element => element.id);
  const twice = ids.filter((id, i) => ids.indexOf(id) < i);
  if (twice.length) problems.push(`ids that are there twice: ${twice.slice(0, 3)}`);
  return problems;
})()
