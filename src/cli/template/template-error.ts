/** A template that cannot be read or that asks for what is not there. */
export class TemplateError extends Error {
  constructor(message: string) {
    super(`template parsing error: template: :1: ${message}`);
    this.name = 'TemplateError';
  }
}
