import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'
import vueParser from 'vue-eslint-parser'

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'test-results/', 'playwright-report/', 'src/api/openapi.d.ts'] },
  ...tseslint.configs.recommended,
  ...vue.configs['flat/recommended'],
  {
    files: ['**/*.{ts,vue}'],
    languageOptions: { parser: vueParser, parserOptions: { parser: tseslint.parser, extraFileExtensions: ['.vue'], sourceType: 'module' } },
    rules: {
      // Modal, Toast, Chart: named by what they are, as the design asks.
      'vue/multi-word-component-names': 'off',
      // How lines break is for the editor; these rules only argue about white space.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/html-indent': 'off',
      'vue/first-attribute-linebreak': 'off',
      // An absent prop is undefined, which its type says already.
      'vue/require-default-prop': 'off',
      '@typescript-eslint/no-explicit-any': 'error',
      // Texts are in texts.ts, all of them.
      'vue/no-bare-strings-in-template': 'error',
      'no-console': 'error',
    },
  },
  { files: ['scripts/**', 'public/**'], rules: { 'no-console': 'off' } },
)
