import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { ModelModuleOptions } from './model-options.interface.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ModelModuleOptions>({
    moduleName: 'RESIDENT_MODEL',
  })
    .setClassMethodName('forRoot')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();
