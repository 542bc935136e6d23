import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * Null where this machine has no browser: `apt-get install chromium`, or its path in CHROMIUM. `keepsPages`: the back button
 * brings pages back as they were, as in the browser of a person.
 */
export async function launchBrowser({ keepsPages = false } = {}): Promise<Browser | null> {
  const executablePath = [process.env.CHROMIUM ?? '', ...places].find((path) => path !== '' && existsSync(path));
  if (executablePath === undefined) return null;
  // Containers give a browser too little shared memory, and root has no sandbox.
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    ...(keepsPages && { ignoreDefaultArgs: ['--disable-back-forward-cache'] }),
  });
}
