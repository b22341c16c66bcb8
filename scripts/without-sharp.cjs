// Stands for the package `sharp` in a bundle: Transformers.js imports it whatever the model, and doesn't start without it.
module.exports = function sharp() {
  throw new Error('This package was made for models of text: it holds no library for images.');
};
