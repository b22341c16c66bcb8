import { Module } from '@nestjs/common';
import { ResidencyController } from './residency.controller.js';
import { ConfigurableModuleClass } from './residency.module-definition.js';
import { ResidencyService } from './residency.service.js';

/** What keeping the models resident costs and saves: `GET /v1/residency`, and `ResidencyService`. Needs `ModelModule`. */
@Module({
  controllers: [ResidencyController],
  providers: [ResidencyService],
  exports: [ResidencyService],
})
export class ResidencyModule extends ConfigurableModuleClass {}
