import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { BatchModuleOptions } from './batch-options.interface.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<BatchModuleOptions>({
    moduleName: 'RESIDENT_BATCH',
  })
    .setClassMethodName('forRoot')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();
