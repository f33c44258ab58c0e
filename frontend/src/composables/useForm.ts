import { computed, nextTick, reactive, ref, shallowRef, toRaw, useTemplateRef, watch } from 'vue'
import { newIdempotencyKey } from '@/api/client'
import { messageOf, toProblem, type Problem } from '@/api/problem'

export interface FormOptions<V extends object, R> {
  initial: () => V
  /** What is wrong before the server is asked. */
  validate?: (values: V) => Partial<Record<keyof V | string, string>>
  submit: (values: V, idempotencyKey: string) => Promise<R>
  /** Under this name what was typed outlives a lost session or a reload, until it is sent or given up. */
  draft?: string
}

/** A form: values, an error beside each field (ours or the server's), and a submission that may safely be repeated. */
export function useForm<V extends object, R>(options: FormOptions<V, R>) {
  const draftKey = options.draft ? `draft:${options.draft}` : null
  const values = reactive({ ...options.initial(), ...readDraft() }) as V
  const errors = reactive<Record<string, string>>({})
  const problem = shallowRef<Problem | null>(null)
  const busy = ref(false)
  // The component's `<form ref="form">`.
  const form = useTemplateRef<HTMLElement>('form')
  const fields = Object.keys(values)
  let key = newIdempotencyKey()
  let sent = ''

  const initially = JSON.stringify(options.initial())
  const changed = computed(() => JSON.stringify(values) !== initially)

  function readDraft(): Partial<V> {
    if (!draftKey) return {}
    try {
      return JSON.parse(sessionStorage.getItem(draftKey) ?? '{}') as Partial<V>
    } catch {
      return {}
    }
  }

  watch(values, () => {
    if (draftKey) sessionStorage.setItem(draftKey, JSON.stringify(values))
  })

  // An error goes as soon as its field is touched.
  for (const field of fields) {
    watch(
      () => (values as Record<string, unknown>)[field],
      () => delete errors[field],
    )
  }

  /** What is wrong with the form as a whole: shown above the buttons where no field can carry it. */
  const message = computed(() => {
    if (!problem.value) return ''
    return problem.value.errors.length > 0 && problem.value.errors.every((error) => fields.includes(error.field)) ? '' : messageOf(problem.value)
  })

  async function focusFirstError(): Promise<void> {
    await nextTick()
    form.value?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }

  function clearErrors(): void {
    problem.value = null
    for (const field of Object.keys(errors)) delete errors[field]
  }

  async function submit(): Promise<R | undefined> {
    if (busy.value) return undefined
    clearErrors()
    Object.assign(errors, options.validate?.(values))
    if (Object.keys(errors).length > 0) {
      await focusFirstError()
      return undefined
    }
    // The same content under the same key: a repetition after a lost answer creates nothing twice.
    const content = JSON.stringify(values)
    if (sent && sent !== content) key = newIdempotencyKey()
    sent = content
    busy.value = true
    try {
      const answer = await options.submit({ ...toRaw(values) }, key)
      discard()
      return answer
    } catch (failure) {
      problem.value = toProblem(failure)
      // A refusal was an answer: the next try is a new request. Without an answer it is the same one.
      if (problem.value.status >= 400 && problem.value.status < 500) key = newIdempotencyKey()
      for (const { field, message } of problem.value.errors) errors[field] ??= message
      await focusFirstError()
      return undefined
    } finally {
      busy.value = false
    }
  }

  function discard(): void {
    if (draftKey) sessionStorage.removeItem(draftKey)
    sent = ''
    key = newIdempotencyKey()
  }

  function reset(): void {
    Object.assign(values, options.initial())
    clearErrors()
    discard()
  }

  return { values, errors, problem, message, busy, changed, submit, reset, discard }
}
