/** The stored data does not fit the current template. The message says what to do. */
export class TemplateChanged extends Error {
  constructor(what: string) {
    super(
      `The stored data no longer fits the template (${what}). Start once with --reset to delete the data, or use another --data folder.`,
    );
    this.name = 'TemplateChanged';
  }
}
