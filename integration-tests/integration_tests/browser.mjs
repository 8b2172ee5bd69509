// Visits pages in Chromium: the program that browser.py runs.
//
// Reads one JSON object from standard input, {program, folder, visits}, and writes one line for each visit:
// {values, faults}. `browser.py` says what a visit is.

import { writeFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const TIMEOUT = 30_000; // ms, of each step

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { program, arguments: args, visits } = JSON.parse(input);

const browser = await chromium.launch({ executablePath: program, args });
try {
  for (const visit of visits) console.log(JSON.stringify(await seen(visit)));
} finally {
  await browser.close();
}

async function seen(visit) {
  const context = await browser.newContext({
    viewport: { width: visit.width, height: visit.height },
    deviceScaleFactor: visit.scale,
    colorScheme: visit.dark ? "dark" : "light",
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "UTC",
    javaScriptEnabled: visit.scripts,
  });
  context.setDefaultTimeout(TIMEOUT);
  await context.addInitScript((stored) => {
    for (const [key, value] of Object.entries(stored)) localStorage.setItem(key, value);
  }, visit.storage);
  const faults = [];
  const open = async () => watched(await context.newPage(), faults);
  const tabs = [await open()];
  let page = tabs[0];
  const values = [];
  try {
    await page.goto(visit.url, { waitUntil: "load" });
    for (const step of visit.steps) {
      if (step[0] === "tab") {
        page = tabs[step[1]] ??= await open();
        continue;
      }
      const value = await inTime(take(page, step), step[0]);
      if (value !== undefined) values.push(value);
    }
  } catch (error) {
    faults.push(`step: ${error.message}`);
    if (visit.on_fault) await page.screenshot({ path: visit.on_fault }).catch(() => {});
  } finally {
    await context.close();
  }
  return { values, faults };
}

// Notes what goes wrong on a page. A dialog is a fault, too: no page here opens one.
function watched(page, faults) {
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()}`));
  page.on("requestfailed", (request) => faults.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (answer) => answer.status() >= 400 && faults.push(`${answer.status()}: ${answer.url()}`));
  page.on("dialog", (dialog) => faults.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  return page;
}

// Chromium itself answers some commands never, and page.close() waits for it.
function inTime(taken, what) {
  const late = new Promise((_, fail) => setTimeout(fail, TIMEOUT, new Error(`${what} took over ${TIMEOUT} ms`)).unref());
  return Promise.race([taken, late]);
}

async function take(page, [what, ...given]) {
  switch (what) {
    case "click":
      return page.locator(given[0]).first().click();
    case "fill":
      return page.locator(given[0]).first().fill(given[1]);
    case "press":
      return page.keyboard.press(given[0]);
    case "wait":
      return void (await page.locator(given[0]).first().waitFor());
    case "go":
      return void (await page.goto(given[0], { waitUntil: "load" }));
    case "script":
      return (await page.evaluate(given[0])) ?? null;
    case "picture":
      return picture(page, ...given);
    default:
      throw new Error(`unknown step: ${what}`);
  }
}

// Playwright itself takes no WebP.
async function picture(page, file, quality, around, margin, whole) {
  await page.evaluate("document.fonts.ready.then(() => null)");
  const session = await page.context().newCDPSession(page);
  const clip = whole ? await wholePage(session) : await surroundings(page, around, margin);
  const scale = await page.evaluate("devicePixelRatio"); // which the command below leaves out of account
  const webp = file.endsWith(".webp");
  const { data } = await session.send("Page.captureScreenshot", {
    format: webp ? "webp" : "png",
    ...(webp ? { quality } : {}),
    clip: { ...clip, scale },
    captureBeyondViewport: whole,
  });
  await writeFile(file, Buffer.from(data, "base64"));
}

async function wholePage(session) {
  const { cssContentSize } = await session.send("Page.getLayoutMetrics");
  return { x: 0, y: 0, width: cssContentSize.width, height: cssContentSize.height };
}

// The part of the window that holds the elements, with a margin; without any, all of the window. Chromium counts
// from the beginning of the page, also where that is scrolled out of the window.
async function surroundings(page, selectors, margin) {
  const box = await inWindow(page, selectors, margin);
  const [left, top] = await page.evaluate("[scrollX, scrollY]");
  return { ...box, x: box.x + left, y: box.y + top };
}

async function inWindow(page, selectors, margin) {
  const { width, height } = page.viewportSize();
  if (!selectors.length) return { x: 0, y: 0, width, height };
  const boxes = [];
  for (const selector of selectors) {
    const locator = page.locator(selector);
    for (let n = 0; n < (await locator.count()); n++) boxes.push(await locator.nth(n).boundingBox());
  }
  const seen = boxes.filter((box) => box && box.height);
  if (!seen.length) throw new Error(`nothing to take a picture of: ${selectors}`);
  const x = Math.max(0, Math.min(...seen.map((box) => box.x)) - margin);
  const y = Math.max(0, Math.min(...seen.map((box) => box.y)) - margin);
  const right = Math.min(width, Math.max(...seen.map((box) => box.x + box.width)) + margin);
  const bottom = Math.min(height, Math.max(...seen.map((box) => box.y + box.height)) + margin);
  if (right <= x || bottom <= y) throw new Error(`not in the window: ${selectors}`);
  return { x, y, width: right - x, height: bottom - y };
}
