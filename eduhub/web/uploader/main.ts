// The one entry: where the page tells of an upload, its plain form is taken over.

import { CourseUpload } from "./course-page.js";
import { LessonUpload } from "./lesson-page.js";
import { Link } from "./link.js";
import { told } from "./page.js";

const data = told();
const form = document.getElementById("upload-form") as HTMLFormElement | null;
if (data && form && typeof Blob.prototype.slice === "function") {
  const settings = document.getElementById("upload-line")!;
  const link = new Link(data.words, settings.querySelector<HTMLSelectElement>("[name=ceiling]")!, settings.querySelector<HTMLSelectElement>("[name=until]")!);
  document.querySelectorAll<HTMLElement>(".with-script").forEach((part) => (part.hidden = false));
  form.querySelectorAll<HTMLElement>(".without-script").forEach((part) => (part.hidden = true));
  if (data.page === "lesson") new LessonUpload(data, link, form);
  else new CourseUpload(data, link, form);
}
