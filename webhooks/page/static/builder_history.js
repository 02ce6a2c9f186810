// The texts before and after each edit, for undo and redo.
const MOST = 100;

export class History {
  constructor(text) {
    this.now = text;
    this.before = [];
    this.after = [];
  }

  // The text is another one now.
  note(text) {
    if (text === this.now) return;
    this.before.push(this.now);
    if (this.before.length > MOST) this.before.shift();
    this.after = [];
    this.now = text;
  }

  // The text before the last edit; null if there is none.
  back(text) {
    this.note(text);
    if (this.before.length === 0) return null;
    this.after.push(this.now);
    this.now = this.before.pop();
    return this.now;
  }

  forward(text) {
    this.note(text);
    if (this.after.length === 0) return null;
    this.before.push(this.now);
    this.now = this.after.pop();
    return this.now;
  }
}
