"""What can be measured of a page's looks: what sticks out, what is too pale, what has no name.

    for finding in faults(page): …

Looks at the page as it stands. Which pages, how wide and in which colours say the tests.
"""

from __future__ import annotations

from playwright.sync_api import Page

LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3; 3 for large words."""


def faults(page: Page) -> list[str]:
    """Return what is wrong with the page, in words, or nothing."""
    found: list[str] = page.evaluate(_LOOK, LEAST_CONTRAST)
    return found


_LOOK = """least => {
  const found = [], root = document.documentElement, body = document.body;
  const seen = element => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 &&
      element.checkVisibility({visibilityProperty: true, opacityProperty: true});
  };
  const all = selector => [...document.querySelectorAll(selector)].filter(seen);
  const name = element => element.localName + (element.id && '#' + element.id) + ' «' +
    (element.innerText ?? element.value ?? '').trim().slice(0, 30) + '»';

  const excess = root.scrollWidth - root.clientWidth;
  if (excess > 0) found.push(`${excess} pixels stick out`);

  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const read = colour => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) => [0, 1, 2]
    .map(n => top[n] * top[3] / 255 + below[n] * (1 - top[3] / 255));
  const light = colour => colour.slice(0, 3).map(part => part / 255)
    .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, n) => sum + part * [.2126, .7152, .0722][n], 0);
  const ground = element => {
    const colour = read(getComputedStyle(element).backgroundColor);
    if (colour[3] === 255) return colour;
    const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return [...over(colour, below), 255];
  };
  const words = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  for (let node; node = words.nextNode();) {
    const element = node.parentElement;
    if (!node.data.trim() || !seen(element) || element.localName === 'noscript') continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const behind = ground(element);
    const [one, two] = [light(over(read(style.color), behind)), light(behind)];
    const contrast = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
    const isLarge = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if (contrast < (isLarge ? 3 : least))
      found.push(`contrast ${contrast.toFixed(2)} of ${name(element)}`);
  }

  for (const field of all('input:not([type=hidden], [type=submit]), select, textarea'))
    if (!field.labels?.length && !field.ariaLabel) found.push(`no label: ${name(field)}`);
  for (const picture of document.querySelectorAll('img:not([alt])'))
    found.push(`no words for ${picture.src}`);
  for (const attribute of ['aria-describedby', 'aria-labelledby'])
    for (const element of document.querySelectorAll(`[${attribute}]`))
      for (const id of element.getAttribute(attribute).trim().split(/\\s+/))
        if (!document.getElementById(id)) found.push(`${name(element)} refers to nothing: ${id}`);
  const ranks = all('h1, h2, h3, h4, h5, h6').map(heading => Number(heading.localName[1]));
  if (ranks.filter(rank => rank === 1).length !== 1) found.push(`headings: ${ranks}`);
  if (ranks.some((rank, n) => n && rank > ranks[n - 1] + 1))
    found.push(`a heading is left out: ${ranks}`);
  return found;
}"""
