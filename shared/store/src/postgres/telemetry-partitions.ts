/** The months of telemetry: the present one and the next are made before they are needed; what fits none is in `telemetry_other`. */

type Run = (text: string) => Promise<unknown>

/** By a function of the owner's, since whoever tidies owns no table. */
export async function ensureTelemetryPartitions(run: Run): Promise<void> {
  await run('select make_telemetry_partitions()')
}
