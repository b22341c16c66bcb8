/** What a Nest application imports. */
export { AppModule } from './app.module.js';
export { BatchModule } from './batch/batch.module.js';
export type { BatchModuleOptions } from './batch/batch-options.interface.js';
export type { Batch, BatchStatus, StoredFile } from './batch/batch-types.js';
export { BatchesService, type FileBatchRequest } from './batch/batches.service.js';
export { FilesService, type NewFile } from './batch/files.service.js';
export { InboxTask, type FileProgress, type FileResult, type RunFileOptions } from './batch/inbox.task.js';
export { LineSourceProvider, type LineSource } from './batch/schedules/line-source.js';
export { SchedulesService } from './batch/schedules/schedules.service.js';
export { ConfigError, loadConfig, type LoadedConfig } from './config/load-config.js';
export { EncodersModule } from './encoders/encoders.module.js';
export type { EngineState } from './engine/client/engine-state.js';
export { collect, type Generation } from './engine/collect.js';
export * from './engine/errors.js';
export type * from './engine/encoder-types.js';
export type * from './engine/types.js';
export { GraphqlApiModule, type GraphqlApiOptions } from './graphql/graphql-api.module.js';
export { HealthModule } from './health/health.module.js';
export type { ModelModuleOptions, ResidentModelOptions } from './model/model-options.interface.js';
export { ModelModule } from './model/model.module.js';
export {
  ModelProvider,
  type CallOptions,
  type ForModel,
  type ModelDescription,
  type ModelRequest,
} from './model/model.provider.js';
export type { ModelUsage } from './model/model-usage.js';
export type { ServedListener, ServedRequest } from './model/served-request.js';
export { MetricsModule } from './metrics/metrics.module.js';
export { OpenAiModule } from './openai/openai.module.js';
export { OpenApiModule } from './openapi/openapi.module.js';
export type { BreakEven } from './residency/break-even.js';
export type { ResidencyEntry } from './residency/ledger.js';
export type { Prices, ResidencyModuleOptions } from './residency/residency-options.interface.js';
export { ResidencyModule } from './residency/residency.module.js';
export { ResidencyService, type ResidencyLedger } from './residency/residency.service.js';
export type { Suggestion } from './residency/suggest.js';
export { TransportModule } from './transport/transport.module.js';
