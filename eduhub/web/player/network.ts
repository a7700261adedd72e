// What the browser tells of the network (on phones: wifi, cellular); where it tells nothing, nothing.

export const { connection = {} } = navigator as Navigator & { connection?: { type?: string; saveData?: boolean } };
