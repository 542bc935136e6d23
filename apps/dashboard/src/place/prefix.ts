/** The path of PUBLIC_URL; the api writes it into the document. */
export const prefix: string = document.documentElement.dataset.prefix ?? '';

/** Where the page itself begins. */
export const root = `${prefix}/ui`;
