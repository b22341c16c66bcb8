import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { ResidencyModuleOptions } from './residency-options.interface.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ResidencyModuleOptions>({
    moduleName: 'RESIDENT_RESIDENCY',
  })
    .setClassMethodName('forRoot')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();
