// Checks reports in headless Chromium: an empty console, no network request, no finding of axe-core
// (accessibility), nothing wider than the screen, no text of a chart that is cut off or overlaps
// another, every control within reach of the keyboard. Writes screenshots into the folder of --out.
//
//   node check.mjs --out FOLDER REPORT.html...
//
// The environment variable CHROMIUM names the browser; without it, `chromium` of PATH is used.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import puppeteer from "puppeteer-core";

const SCREENS = {
  phone: { width: 390, height: 844, isMobile: true, hasTouch: true },
  desk: { width: 1280, height: 900 },
};
const SCHEMES = ["light", "dark"];
const LEAST_LETTERS = 10; // smallest size of letters, in pixels

const found = (command) => {
  try {
    return execFileSync("which", [command], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
};

/** Lists the faults of the layout. Runs within the page. */
const layout = (least) => {
  const problems = [];
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth)
    problems.push(`the page is ${scrollWidth} px wide, the screen ${innerWidth} px`);
  for (const svg of document.querySelectorAll("figure > svg")) {
    const title = svg.querySelector("title").textContent;
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((text) => [
      text.textContent,
      text.getBoundingClientRect(),
      text,
    ]);
    texts.forEach(([words, box, text], place) => {
      const letters =
        (parseFloat(getComputedStyle(text).fontSize) * frame.width) / svg.viewBox.baseVal.width;
      if (letters < least)
        problems.push(`${title}: '${words}' has letters of ${letters.toFixed(1)} px`);
      if (
        box.left < frame.left - 1 ||
        box.right > frame.right + 1 ||
        box.top < frame.top - 2 ||
        box.bottom > frame.bottom + 2
      )
        problems.push(`${title}: '${words}' is cut off`);
      for (const [others, other] of texts.slice(place + 1)) {
        const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (across > 1 && down > 3) problems.push(`${title}: '${words}' and '${others}' overlap`);
      }
    });
  }
  return problems;
};

/** Lists the visible controls that Tab does not reach. */
const unreached = async (page) => {
  const all = await page.evaluate(() => {
    document.activeElement?.blur();
    window.scrollTo(0, 0);
    const controls = [
      ...document.querySelectorAll("a[href], button, summary, [tabindex='0']"),
    ].filter((e) => e.checkVisibility());
    controls.forEach((control) => {
      control.dataset.unreached = "";
    });
    return controls.length;
  });
  for (let i = 0; i < all + 2; i++) {
    await page.keyboard.press("Tab");
    await page.evaluate(() => {
      delete document.activeElement.dataset.unreached;
    });
  }
  return page.evaluate(() =>
    [...document.querySelectorAll("[data-unreached]")].map(
      (e) => `Tab does not reach '${e.textContent.trim().slice(0, 40)}'`,
    ),
  );
};

/** Checks that the first copy button copies the table beside it. */
const copied = async (page) => {
  const button = await page.$(".copy button[data-form='markdown']");
  if (!button) return [];
  await button.click();
  await page.waitForFunction(() => document.getElementById("said").textContent !== "");
  const [said, text, cell] = await page.evaluate(async () => [
    document.getElementById("said").textContent,
    await navigator.clipboard.readText(),
    document.querySelector("table th").textContent,
  ]);
  return said === "Copied" && text.startsWith(`| ${cell} |`)
    ? []
    : [`the copy button said '${said}' and copied '${text.slice(0, 80)}'`];
};

const check = async (browser, file, out) => {
  const problems = [];
  const url = pathToFileURL(file).href;
  await browser
    .defaultBrowserContext()
    .setPermission(
      "file://",
      { permission: { name: "clipboard-read" }, state: "granted" },
      { permission: { name: "clipboard-write" }, state: "granted" },
    )
    .catch(() => {});
  for (const [screen, viewport] of Object.entries(SCREENS)) {
    for (const scheme of SCHEMES) {
      const page = await browser.newPage();
      const tell = (problem) => problems.push(`${screen}, ${scheme}: ${problem}`);
      page.on("console", (message) => tell(`console: ${message.text()}`));
      page.on("pageerror", (error) => tell(`script: ${error.message}`));
      page.on("request", (request) => {
        if (request.url() !== url && !request.url().startsWith("data:"))
          tell(`requests ${request.url()} from the network`);
      });
      await page.setViewport(viewport);
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.goto(url);
      const name = path
        .relative(".", file)
        .replace(/\.html$/, "")
        .replaceAll(/[^\w-]+/g, "_");
      await page.screenshot({
        path: path.join(out, `${name}-${screen}-${scheme}.png`),
        fullPage: true,
      });
      await page.evaluate(() =>
        document.querySelectorAll("details").forEach((d) => {
          d.open = true;
        }),
      );
      (await page.evaluate(layout, LEAST_LETTERS)).forEach(tell);
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => axe.run());
      for (const violation of violations) {
        tell(
          `axe: ${violation.id}: ${violation.help}: ${violation.nodes
            .slice(0, 2)
            .map((n) => n.html.slice(0, 200))
            .join(" … ")}`,
        );
      }
      if (screen === "desk" && scheme === "light") {
        (await unreached(page)).forEach(tell);
        (await copied(page)).forEach(tell);
      }
      await page.close();
    }
  }
  return problems;
};

const words = process.argv.slice(2);
const place = words.indexOf("--out");
const out = place < 0 ? "." : words.splice(place, 2)[1];
const executablePath = process.env.CHROMIUM ?? found("chromium");
if (!executablePath) {
  console.log(
    "skipped: chromium is not installed (Debian, Ubuntu: apt install chromium) and CHROMIUM is unset",
  );
  process.exit(0);
}
if (words.length === 0) {
  console.error("usage: node check.mjs --out FOLDER REPORT.html...");
  process.exit(2);
}
fs.mkdirSync(out, { recursive: true });
const browser = await puppeteer.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"],
});
let failed = false;
for (const file of words) {
  const problems = await check(browser, path.resolve(file), out);
  failed ||= problems.length > 0;
  console.log(`${file}: ${problems.length === 0 ? "good" : `${problems.length} problems`}`);
  problems.forEach((problem) => console.log(`  - ${problem}`));
}
await browser.close();
console.log(`screenshots: ${out}`);
process.exit(failed ? 1 : 0);
