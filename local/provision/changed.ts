/** Kept data was made by another template; the message says what to do. */
export class TemplateChanged extends Error {
  constructor(what: string) {
    super(
      `The kept data no longer fits the template (${what}). Start once with --reset to begin anew, or use another --data folder.`,
    );
    this.name = 'TemplateChanged';
  }
}
