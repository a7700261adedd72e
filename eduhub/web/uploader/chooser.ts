// Choosing files: the field of the form that works without a script, and dropping them anywhere on it.

export class Chooser {
  readonly field: HTMLInputElement;

  constructor(readonly form: HTMLFormElement, chosen: (files: File[]) => void) {
    this.field = form.querySelector<HTMLInputElement>("input[type=file]")!;
    const take = (): void => {
      const files = Array.from(this.field.files || []);
      this.field.value = ""; // so that the same file can be chosen again
      if (files.length) chosen(files);
    };
    this.field.addEventListener("change", take);
    void Promise.resolve().then(take); // on a slow line a file was chosen before this script was there
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("dragover", (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
    for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      const files = Array.from(event.dataTransfer ? event.dataTransfer.files : []);
      if (files.length && !form.hidden) chosen(this.field.multiple ? files : files.slice(0, 1));
    });
  }
}
