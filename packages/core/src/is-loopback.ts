const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether the host of a URL is this machine, to which plain http may be sent: nobody else can read it. */
export function isLoopback({ hostname }: URL): boolean {
  return loopback.test(hostname);
}
