// Action and food: only pairs that the server has.

// Chosen before anybody has chosen: most of what is on a plate is skewered.
const USUAL = "skewering";
const find = (id) => document.getElementById(id);

export class Instruction {
  constructor() {
    this.pairs = [];
    find("action-choices").addEventListener("change", () => this.listFoods());
  }

  // combinations: [{action, food_type}] of GET /available_combinations. Keeps what was chosen.
  setPairs(combinations) {
    this.pairs = combinations;
    const before = this.action;
    const actions = [...new Set(combinations.map((pair) => pair.action))];
    const chosen = [before, USUAL].find((action) => actions.includes(action)) ?? actions[0];
    const choices = actions.map((action) => choice(action, action === chosen));
    find("action-choices").replaceChildren(...choices);
    this.listFoods();
  }

  get action() {
    return document.querySelector("input[name=action]:checked")?.value ?? "";
  }

  get food() {
    return find("food").value;
  }

  get known() {
    return this.pairs.length > 0;
  }

  listFoods() {
    const menu = find("food");
    const before = menu.value;
    const foods = this.pairs.filter((pair) => pair.action === this.action);
    menu.replaceChildren(...foods.map(({food_type: food}) => new Option(readable(food), food)));
    if (foods.some((pair) => pair.food_type === before)) menu.value = before;
    menu.disabled = !this.known;
  }
}

function choice(action, checked) {
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "action";
  input.value = action;
  input.checked = checked;
  const label = document.createElement("label");
  const text = document.createElement("span");
  text.textContent = readable(action);
  label.append(input, text);
  return label;
}

export function readable(name) {
  return name.replaceAll("_", " ");
}
