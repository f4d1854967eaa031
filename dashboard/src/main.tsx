import './style/base.css'
import './style/parts.css'
import './style/screens.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { queries } from './session.tsx'
import { NowProvider } from './ui/now.tsx'

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <NowProvider>
          <App />
        </NowProvider>
      </QueryClientProvider>
    </StrictMode>,
  )
}
