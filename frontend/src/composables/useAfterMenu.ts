/** Does what was chosen in a menu once it is closed and its button has the focus again, so that a dialog opened from it gives the focus back. */
export function useAfterMenu(): { choose: (action: () => void) => void; closed: () => void } {
  let chosen: (() => void) | null = null
  return {
    choose: (action) => (chosen = action),
    closed: () => {
      const action = chosen
      chosen = null
      // The menu gives the focus back a moment after it says that it is closed.
      if (action) setTimeout(() => setTimeout(action))
    },
  }
}
