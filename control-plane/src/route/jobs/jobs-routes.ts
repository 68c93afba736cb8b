/** The routes of jobs, in the order of the API document. */

import { registerDropJob } from './drop-job.ts'
import { registerListJobs } from './list-jobs.ts'
import { registerReadJob } from './read-job.ts'
import { registerRetryJob } from './retry-job.ts'

export const jobsRoutes = [registerListJobs, registerReadJob, registerRetryJob, registerDropJob]
